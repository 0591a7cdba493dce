//! Logins that have ended, and the pages that their late visitors see.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use imgurd_proto::Secret;

use super::login_result::{LoginResult, cancelled, expired};
use super::page::Page;
use crate::mutex::lock;

/// How many ended logins are remembered. Their states are not secret any more.
const REMEMBERED: usize = 16;

/// The logins that have ended. A page that was left open may send its answer to a later login's callback.
#[derive(Clone, Default)]
pub(super) struct EndedLogins(Arc<Mutex<VecDeque<(Secret, Page)>>>);

impl EndedLogins {
    /// Records how a login ended, and returns the page for its late visitors.
    pub(super) fn note(&self, account: &str, state: &Secret, outcome: &LoginResult) -> Page {
        let page = farewell(account, outcome);
        let mut ended = lock(&self.0);
        ended.truncate(REMEMBERED - 1);
        ended.push_front((state.clone(), page.clone()));
        page
    }

    /// The page for a visit whose state is not this login's.
    pub(super) fn page_of(&self, state: Option<&Secret>) -> Page {
        let ended = lock(&self.0);
        let page = ended.iter().find(|(known, _)| Some(known) == state).map(|(_, page)| page.clone());
        page.unwrap_or(Page::WrongState)
    }
}

fn farewell(account: &str, outcome: &LoginResult) -> Page {
    let name = account.to_owned();
    match outcome {
        Ok(_) => Page::Complete,
        Err(error) if *error == expired(account) => Page::Expired { account: name },
        Err(error) if *error == cancelled(account) => Page::Cancelled { account: name },
        Err(error) => Page::Failed { account: name, reason: error.to_string() },
    }
}
