//! The tokens that a logout revokes at the server (RFC 7009).

use super::{Effect, Machine};
use crate::grant::{Grant, Secret};
use crate::provider::{Revocation, TokenKind, TokenResponse};

impl Machine {
    /// All tokens that a logout deletes and that the configured server issued; `None` if that has no revocation
    /// endpoint.
    pub(in crate::keeper) fn revocation(&self) -> Option<Revocation> {
        let issuer = self.config.issuer();
        let grants: Vec<_> = self.record.grants().filter(|grant| grant.issuer.is(&issuer)).collect();
        let refresh_token = |grant: &&Grant| grant.refresh_token.clone();
        let access_token = |grant: &&Grant| grant.access.as_ref().map(|access| access.token.clone());
        self.revocation_of(grants.iter().filter_map(refresh_token), grants.iter().filter_map(access_token))
    }

    /// The server issued these tokens after the logout, so imgurd will never use them.
    pub(super) fn revoke_unkept(&mut self, tokens: TokenResponse) {
        let revocation = self.revocation_of(tokens.refresh_token, tokens.access_token);
        self.effects.extend(revocation.map(Effect::Revoke));
    }

    fn revocation_of(
        &self,
        refresh_tokens: impl IntoIterator<Item = Secret>,
        access_tokens: impl IntoIterator<Item = Secret>,
    ) -> Option<Revocation> {
        let url = self.config.revoke_url.clone()?;
        let refresh_tokens = refresh_tokens.into_iter().map(|token| (TokenKind::Refresh, token));
        let access_tokens = access_tokens.into_iter().map(|token| (TokenKind::Access, token));
        let tokens: Vec<_> = refresh_tokens.chain(access_tokens).collect();
        (!tokens.is_empty()).then(|| Revocation { client: self.client(), url, tokens })
    }
}
