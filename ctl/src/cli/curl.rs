//! `imgurctl curl`.

use clap::Args;

#[derive(Args, Debug)]
#[command(after_help = "Examples:
  imgurctl curl -- account/me
  imgurctl curl me -- -s account/me/images | jq -r '.data[].link'
  imgurctl curl -- -F image=@cat.png image
  imgurctl curl --anonymous -- https://api.imgur.com/3/gallery/hot

ARGS are curl's options and one URL. A path is relative to the account's API URL; imgurctl refuses a URL of another origin. \
It passes the token to curl through a file descriptor, never in arguments or environment. If the API rejects the token, \
imgurctl gets a new one and repeats the request, unless standard input was its body. The exit status is curl's; if \
imgurctl cannot start curl, it is imgurctl's own, and the error message begins with `imgurctl:`.

imgurctl refuses options that could show the token or send it elsewhere: --config, --next, --location-trusted, --insecure, \
--connect-to, --resolve, --unix-socket, --verbose, --trace, user names and similar ones. curl does not read ~/.curlrc, and \
takes {…} and […] in the URL literally. --location never sends the token to another origin (with curl 7.83 or later). With \
--fail, which hides the body, imgurctl takes any 401 for a rejected token. For everything else, use `imgurctl token \
--header | curl -H @- …`.")]
pub(crate) struct CurlArgs {
    /// Account [default: the default account]
    pub(crate) account: Option<String>,
    /// Send `Authorization: Client-ID …` instead of a token, which Imgur accepts for public resources
    #[arg(long)]
    pub(crate) anonymous: bool,
    /// Arguments of curl
    #[arg(last = true, required = true, value_name = "ARGS", allow_hyphen_values = true)]
    pub(crate) arguments: Vec<String>,
}
