//! `imgurctl gateway`.

use clap::{Args, Subcommand};

#[derive(Debug, Subcommand)]
pub(crate) enum GatewayCommand {
    /// Turn the gateway on, now and whenever imgurd starts
    On {
        /// Loopback address and port to listen on [default: the current one, or 127.0.0.1:8918]
        #[arg(long, value_name = "ADDRESS")]
        listen: Option<String>,
    },
    /// Turn the gateway off and forget its address; its clients stay registered
    Off,
    /// Show the gateway's addresses and clients
    Status,
    /// Add a client and print its secret once, or change a client
    #[command(after_help = "Examples:\n  \
        imgurctl gateway add postman me --redirect-uri https://oauth.pstmn.io/v1/callback\n  \
        imgurctl gateway add script me      # for client_credentials only")]
    Add(GatewayAddArgs),
    /// List the clients
    List,
    /// Remove a client; its secret and refresh tokens stop working
    Remove {
        /// Name of the client
        name: String,
    },
}

#[derive(Args, Debug)]
pub(crate) struct GatewayAddArgs {
    /// Name of the client, which is also its client ID
    pub(crate) name: String,
    /// Account [default: the default account]
    pub(crate) account: Option<String>,
    /// Callback URL of the program, exactly as it shows it; may be repeated
    #[arg(long, value_name = "URI")]
    pub(crate) redirect_uri: Vec<String>,
    /// Create no client secret, for a program that cannot keep one; it must use PKCE
    #[arg(long)]
    pub(crate) public: bool,
}
