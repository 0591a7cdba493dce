//! The methods for the gateway and its clients.

use std::time::Duration;

use imgurd_proto::{
    Done, Error, GatewayClient, GatewayRegistration, GatewayState, RemoveGatewayClient, SetGateway,
    SetGatewayClient,
};
use tokio::time::timeout;

use super::Api;
use crate::access::gateway_title;

/// How long opening and closing takes at most.
const PATIENCE: Duration = Duration::from_secs(5);

impl Api {
    pub(super) async fn set_gateway(&self, call: SetGateway) -> Result<GatewayState, Error> {
        let listen = call.listen.as_deref().filter(|listen| !listen.is_empty());
        let config = self.editor().set_gateway(listen)?;
        self.configure(config).await?;
        let _ = timeout(PATIENCE, self.gateway_clients().followed(self.editor().generation())).await;
        self.list_gateway_clients().await
    }

    pub(super) async fn list_gateway_clients(&self) -> Result<GatewayState, Error> {
        let config = self.editor().current();
        let mut clients = Vec::new();
        for name in config.gateway.clients.keys() {
            clients.push(self.gateway_client(name).await?);
        }
        let listen = config.gateway.listen.map(|address| address.to_string());
        Ok(GatewayState { listen, reason: self.gateway_clients().trouble(), clients })
    }

    async fn gateway_client(&self, name: &str) -> Result<GatewayClient, Error> {
        let config = self.editor().current();
        let settings = config.gateway.clients.get(name).cloned().unwrap_or_default();
        Ok(GatewayClient {
            name: name.to_owned(),
            account: settings.account,
            redirect_uris: settings.redirect_uris,
            has_secret: self.gateway_clients().has_secret(name).await?,
        })
    }

    pub(super) async fn set_gateway_client(
        &self,
        call: SetGatewayClient,
    ) -> Result<GatewayRegistration, Error> {
        let SetGatewayClient { name, account, redirect_uris, public } = call;
        let account = account.filter(|account| !account.is_empty());
        if account.is_some() {
            self.keeper().resolve(account.as_deref())?;
        }
        let config = self.editor().set_gateway_client(&name, account.as_deref(), redirect_uris.as_deref())?;
        self.configure(config).await?;
        let client_secret = if public == Some(true) {
            self.gateway_clients().make_public(&name).await?;
            None
        } else {
            self.gateway_clients().register(&name).await?
        };
        Ok(GatewayRegistration { client: self.gateway_client(&name).await?, client_secret })
    }

    /// Its permits go as well: another client of that name is another program.
    pub(super) async fn remove_gateway_client(&self, call: RemoveGatewayClient) -> Result<Done, Error> {
        let config = self.editor().remove_gateway_client(&call.name)?;
        self.configure(config).await?;
        self.gateway_clients().remove(&call.name).await?;
        let (permits, title) = (self.gate().permits(), gateway_title(&call.name));
        for permit in permits.all()?.into_iter().filter(|permit| permit.application == title) {
            permits.remove(permit.application, permit.account).await?;
        }
        Ok(Done {})
    }
}
