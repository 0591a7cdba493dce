//! `imgurctl gateway`.

use clap::{Args, Subcommand};

#[derive(Debug, Subcommand)]
pub(crate) enum GatewayCommand {
    /// Open the gateway, now and whenever imgurd starts
    On {
        /// The loopback address and port to listen on [default: unchanged, or 127.0.0.1:8918]
        #[arg(long, value_name = "ADDRESS")]
        listen: Option<String>,
    },
    /// Close the gateway; its clients stay
    Off,
    /// Show where the gateway listens, and its clients
    Status,
    /// Add a client, and print its secret once; or change a client
    #[command(after_help = "Examples:\n  \
        imgurctl gateway add postman me --redirect-uri https://oauth.pstmn.io/v1/callback\n  \
        imgurctl gateway add script me      # for client_credentials alone")]
    Add(GatewayAddArgs),
    /// List the clients
    List,
    /// Remove a client; its secret, refresh tokens and permits are void at once
    Remove {
        /// The client
        name: String,
    },
}

#[derive(Args, Debug)]
pub(crate) struct GatewayAddArgs {
    /// The client: its name, which is its client ID as well
    pub(crate) name: String,
    /// Account [default: the default account]
    pub(crate) account: Option<String>,
    /// Where the answer may be sent, exactly as the program shows its callback URL (repeatable)
    #[arg(long, value_name = "URI")]
    pub(crate) redirect_uri: Vec<String>,
    /// Give it no secret, for a program that cannot keep one; it has to use PKCE
    #[arg(long)]
    pub(crate) public: bool,
}
