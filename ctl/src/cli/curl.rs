//! How curl is run with a token.

use clap::Args;

#[derive(Args, Debug)]
#[command(after_help = "Examples:
  imgurctl curl -- account/me
  imgurctl curl me -- -s account/me/images | jq -r '.data[].link'
  imgurctl curl -- -F image=@cat.png image
  imgurctl curl --anonymous -- https://api.imgur.com/3/gallery/hot

ARGS are curl's own, with one URL among them: a path is taken under the account's API URL, and an URL of another origin \
is refused. The token is given to curl over a descriptor, never in its arguments or environment. Where the API complains \
of the token, a new one is obtained and the request made once more, unless standard input was its body. The exit status \
is curl's; where curl was not started, it is one of imgurctl's, and the line on standard error begins with `imgurctl:`.

Left out is what could take the token elsewhere or show it: ~/.curlrc, --config, --next, --location-trusted, --insecure, \
--connect-to, --resolve, --unix-socket, --verbose, --trace, user names and other such options; and {…} and […] in the \
URL mean themselves. --location never takes the token to another origin (with curl 7.83 or later). With --fail, of which \
no body is left, a 401 counts as a complaint. For the rest there is `imgurctl token --header | curl -H @- …`.")]
pub(crate) struct CurlArgs {
    /// Account [default: the default account]
    pub(crate) account: Option<String>,
    /// Send `Authorization: Client-ID …`, Imgur's way for public resources, which needs no grant
    #[arg(long)]
    pub(crate) anonymous: bool,
    /// The arguments of curl
    #[arg(last = true, required = true, value_name = "ARGS", allow_hyphen_values = true)]
    pub(crate) arguments: Vec<String>,
}
