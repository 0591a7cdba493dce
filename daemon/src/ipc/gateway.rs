//! The methods for the gateway and its clients.

use std::time::Duration;

use imgurd_proto::text::{cause, printable_name};
use imgurd_proto::{
    Done, Error, GatewayClient, GatewayRegistration, GatewayState, RemoveGatewayClient, SetGateway,
    SetGatewayClient,
};
use tokio::net::TcpListener;
use tokio::time::timeout;

use super::Api;
use crate::access::{gateway_title, may_be_title};
use crate::config::{check_gateway_client, gateway_address};

/// The maximal time for opening and closing.
const PATIENCE: Duration = Duration::from_secs(5);

/// The keys of [access] in config.toml that name no program.
const CLASSES: [&str; 3] = ["unsandboxed", "sandboxed", "gateway"];

impl Api {
    pub(super) async fn set_gateway(&self, call: SetGateway) -> Result<GatewayState, Error> {
        let listen = call.listen.as_deref().filter(|listen| !listen.is_empty());
        let address = listen.map(gateway_address).transpose()?;
        let is_open_there =
            address == self.editor.current().gateway.listen && self.clients.trouble().is_none();
        if let Some(address) = address.filter(|_| !is_open_there) {
            // If the new address cannot be used, the gateway stays open at the old one.
            TcpListener::bind(address).await.map_err(|error| {
                let reason = format!(
                    "imgurd cannot listen on {address} ({error}), so nothing was changed; end the program that uses the port, or \
                     choose another one with `imgurctl gateway on --listen ADDRESS`", error = cause(&error));
                Error::invalid("listen", reason)
            })?;
        }
        let config = self.editor.change(|file| file.set_gateway(listen))?;
        self.configure(config).await?;
        let _ = timeout(PATIENCE, self.clients.followed(self.editor.generation())).await;
        Ok(self.list_gateway_clients().await)
    }

    pub(super) async fn list_gateway_clients(&self) -> GatewayState {
        let config = self.editor.current();
        let mut clients = Vec::new();
        for name in config.gateway.clients.keys() {
            clients.push(self.gateway_client(name).await);
        }
        let listen = config.gateway.listen.map(|address| address.to_string());
        GatewayState { listen, reason: self.clients.trouble(), clients }
    }

    async fn gateway_client(&self, name: &str) -> GatewayClient {
        let config = self.editor.current();
        let settings = config.gateway.clients.get(name).cloned().unwrap_or_default();
        GatewayClient {
            name: name.to_owned(),
            account: settings.account,
            redirect_uris: settings.redirect_uris,
            // `imgurctl gateway add` makes a new secret, or says why it cannot.
            has_secret: self.clients.confidential().await.is_ok_and(|names| names.contains(name)),
            public: settings.public,
        }
    }

    pub(super) async fn set_gateway_client(
        &self,
        call: SetGatewayClient,
    ) -> Result<GatewayRegistration, Error> {
        let SetGatewayClient { name, account, redirect_uris, public } = call;
        let account = account.filter(|account| !account.is_empty());
        if account.is_some() {
            self.keeper.resolve(account.as_deref())?;
        }
        let before = self.editor.current().gateway.clients.get(&name).cloned();
        let is_public = before.as_ref().map_or(public == Some(true), |client| client.public);
        if public.is_some_and(|public| public != is_public) {
            let other = if is_public { "is public" } else { "has a secret" };
            return Err(Error::invalid(
                "public",
                format!("{name} {other}; run `imgurctl gateway remove {name}` first to change that"),
            ));
        }
        let (account, uris) = (account.as_deref(), redirect_uris.as_deref());
        check_gateway_client(&name, uris)?;
        if before.is_none() {
            // Tokens of an earlier client with that name are not for this one.
            self.forget_gateway_client(&name).await?;
        }
        // Before the client exists, so that none exists whose secret nobody has seen.
        let client_secret = if is_public { None } else { self.clients.register(&name).await? };
        let edited = self.editor.change(|file| file.set_gateway_client(&name, account, uris, is_public));
        if edited.is_err() && before.is_none() {
            self.forget_gateway_client(&name).await?;
        }
        let config = edited?;
        self.clients.note_change();
        self.configure(config).await?;
        Ok(GatewayRegistration { client: self.gateway_client(&name).await, client_secret })
    }

    /// Removes a client and its permits, because a later client with that name is another program.
    pub(super) async fn remove_gateway_client(&self, call: RemoveGatewayClient) -> Result<Done, Error> {
        if self.editor.current().gateway.clients.contains_key(&call.name) {
            self.forget_gateway_client(&call.name).await?;
        }
        let config = self.editor.change(|file| file.remove_gateway_client(&call.name))?;
        self.clients.note_change();
        self.configure(config).await.map(|()| Done {})
    }

    /// Rejects a permit that applies to no program, or would apply to a later gateway client.
    pub(super) fn check_application(&self, application: &str) -> Result<(), Error> {
        let clients = &self.editor.current().gateway.clients;
        let shown = printable_name(application);
        let reason = match application.strip_prefix(&gateway_title("")) {
            Some(name) if clients.contains_key(name) => return Ok(()),
            Some(_) => format!("There is no client {shown}; `imgurctl gateway list` shows the clients"),
            None if may_be_title(application) => return Ok(()),
            None if clients.contains_key(application) => {
                format!(
                    "The name of the gateway client {shown} in permits is {0}; use {0}",
                    gateway_title(&shown)
                )
            }
            None if CLASSES.contains(&application) => format!(
                "{shown} is not a program but a class of programs; set its rule in [access] of config.toml, or name \
                 one program as `imgurctl journal` does"
            ),
            None => {
                format!("No program has the name \"{shown}\"; name the program as `imgurctl journal` does")
            }
        };
        Err(Error::invalid("application", reason))
    }

    async fn forget_gateway_client(&self, name: &str) -> Result<(), Error> {
        self.clients.remove(name).await?;
        let (permits, title) = (self.gate.permits(), gateway_title(name));
        for permit in permits.all().await?.into_iter().filter(|permit| permit.application == title) {
            permits.remove(permit.application, permit.account).await?;
        }
        Ok(())
    }
}
