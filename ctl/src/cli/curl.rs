//! `imgurctl curl`.

use clap::Args;

#[derive(Args, Debug)]
#[command(after_help = "Examples:
  imgurctl curl -- account/me
  imgurctl curl me -- -s account/me/images | jq -r '.data[].link'
  imgurctl curl -- -F image=@cat.png image
  imgurctl curl --anonymous -- https://api.imgur.com/3/gallery/hot

ARGS are curl's own, with one URL: a path is relative to the account's API URL, and a URL of another origin is refused. \
curl gets the token over a descriptor, never in its arguments or environment. If the API rejects the token, imgurctl gets \
a new one and repeats the request, unless standard input was its body. The exit status is curl's; if curl was not \
started, it is imgurctl's, and the line on standard error begins with `imgurctl:`.

Options that could send the token elsewhere or show it are refused: --config, --next, --location-trusted, --insecure, \
--connect-to, --resolve, --unix-socket, --verbose, --trace, user names and similar ones. ~/.curlrc is not read, and {…} \
and […] in the URL are literal. --location never sends the token to another origin (with curl 7.83 or later). With \
--fail, which leaves no body, any 401 counts as a rejected token. For everything else, use `imgurctl token --header | curl \
-H @- …`.")]
pub(crate) struct CurlArgs {
    /// Account [default: the default account]
    pub(crate) account: Option<String>,
    /// Send `Authorization: Client-ID …`, which Imgur accepts for public resources; needs no grant
    #[arg(long)]
    pub(crate) anonymous: bool,
    /// The arguments of curl
    #[arg(last = true, required = true, value_name = "ARGS", allow_hyphen_values = true)]
    pub(crate) arguments: Vec<String>,
}
