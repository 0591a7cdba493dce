//! The gateway's clients: their secrets, and the refresh tokens that the gateway issued to them. imgurd keeps only hashes. A
//! refresh token here is a handle: it stands for a client's permit, and no token of the account's server follows from it.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use imgurd_proto::text::cause;
use imgurd_proto::{Error, Secret};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use tokio::sync::watch;

use super::permits::stopping;
use super::unix_time;
use crate::mutex::lock;
use crate::ownership::read_own;
use crate::{durable, random};

const VERSION: u32 = 1;
/// The refresh tokens that a client has at a time; beyond, those go that were not used for longest.
const MOST_HANDLES: usize = 64;

/// The clients, and the file that they rest in. It is read when the first one is needed.
#[derive(Clone, Debug)]
pub struct GatewayClients(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    path: PathBuf,
    known: Mutex<Option<Table>>,
    /// How often a client was added, changed or removed.
    changes: AtomicU64,
    followed: watch::Sender<Followed>,
}

/// The configuration that the gateway follows.
#[derive(Clone, Debug, Default)]
struct Followed {
    generation: u64,
    /// Why it does not listen although it should.
    trouble: Option<String>,
}

type Table = BTreeMap<String, Client>;

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Client {
    /// The hash of its secret; absent if it is public.
    secret: Option<Hash>,
    /// Those that were used last are at the end.
    handles: Vec<Handle>,
}

/// A refresh token of the gateway.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Handle {
    hash: Hash,
    /// The account whose access token it stands for.
    pub account: String,
    /// When the user gave the answer that it is based on, in Unix seconds.
    pub since: i64,
    /// The same for all that replaced each other.
    pub family: String,
    /// Whether another one took its place.
    is_spent: bool,
}

#[derive(Serialize, Deserialize)]
struct Content {
    version: u32,
    clients: Table,
}

/// SHA-256 in hexadecimal. The hashed values are random, so nobody can find them by trying.
type Hash = String;

fn hash(text: &str) -> Hash {
    random::hexadecimal(&Sha256::digest(text))
}

/// The result of using a refresh token.
#[derive(Debug, PartialEq, Eq)]
pub enum Rotated {
    /// It stays.
    Kept,
    /// This one takes its place.
    Replaced(Secret),
    /// It was replaced or revoked meanwhile.
    Void,
}

impl GatewayClients {
    /// Those in the file at `path`, which need not exist.
    #[must_use]
    pub fn new(path: PathBuf) -> Self {
        Self(Arc::new(Shared {
            path,
            known: Mutex::default(),
            changes: AtomicU64::new(0),
            followed: watch::Sender::default(),
        }))
    }

    /// Why the gateway does not listen although it should.
    #[must_use]
    pub fn trouble(&self) -> Option<String> {
        self.0.followed.borrow().trouble.clone()
    }

    /// Notes that the gateway is as the configuration of this generation says, or why it does not listen.
    pub fn note_followed(&self, generation: u64, trouble: Option<String>) {
        self.0.followed.send_replace(Followed { generation, trouble });
    }

    /// Returns once the gateway is as the configuration of this generation says.
    pub async fn followed(&self, generation: u64) {
        let _ = self.0.followed.subscribe().wait_for(|followed| followed.generation >= generation).await;
    }

    /// How often a client was added, changed or removed. What was begun before another change is void.
    #[must_use]
    pub fn changes(&self) -> u64 {
        self.0.changes.load(Ordering::Relaxed)
    }

    /// Notes that a client is added, changed or removed.
    pub fn note_change(&self) {
        self.0.changes.fetch_add(1, Ordering::Relaxed);
    }

    /// Whether `secret` is the client's.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub async fn knows(&self, name: &str, secret: &Secret) -> Result<bool, Error> {
        let (name, shown) = (name.to_owned(), Secret::from(hash(secret.expose())));
        let is_its =
            move |client: &Client| client.secret.as_deref().is_some_and(|hash| shown == Secret::from(hash));
        self.look(move |table| table.get(&name).is_some_and(is_its)).await
    }

    /// The names of the clients that have a secret.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub async fn confidential(&self) -> Result<BTreeSet<String>, Error> {
        let has_secret = |(name, client): (&String, &Client)| client.secret.is_some().then(|| name.clone());
        self.look(move |table| table.iter().filter_map(has_secret).collect()).await
    }

    /// Makes a secret for a client that has none.
    ///
    /// # Errors
    /// If the file cannot be read or written.
    pub async fn register(&self, name: &str) -> Result<Option<Secret>, Error> {
        let name = name.to_owned();
        self.change(move |table| {
            let client = table.entry(name).or_default();
            if client.secret.is_some() {
                return None;
            }
            let secret = random::hex::<32>();
            client.secret = Some(hash(&secret));
            client.handles.clear();
            Some(Secret::from(secret))
        })
        .await
    }

    /// Forgets a client and all that it was given.
    ///
    /// # Errors
    /// If the file cannot be read or written.
    pub async fn remove(&self, name: &str) -> Result<(), Error> {
        let name = name.to_owned();
        self.change(move |table| drop(table.remove(&name))).await
    }

    /// Creates a refresh token for a client.
    ///
    /// # Errors
    /// If the file cannot be read or written. Then there is no refresh token.
    pub async fn issue(&self, name: &str, account: &str) -> Result<(Secret, Handle), Error> {
        let secret = Secret::from(random::hex::<32>());
        let handle = Handle {
            hash: hash(secret.expose()),
            account: account.to_owned(),
            since: unix_time(),
            family: random::hex::<8>(),
            is_spent: false,
        };
        let (name, new) = (name.to_owned(), handle.clone());
        self.change(move |table| table.entry(name).or_default().add(new)).await?;
        Ok((secret, handle))
    }

    /// The refresh token that a client shows, if it is good. One that was replaced before voids all of its family (RFC 9700,
    /// section 4.14.2).
    ///
    /// # Errors
    /// If the file cannot be read or written.
    pub async fn find(&self, name: &str, shown: &Secret) -> Result<Option<Handle>, Error> {
        let (owner, hash) = (name.to_owned(), hash(shown.expose()));
        let find =
            move |table: &mut Table| table.get(&owner)?.handles.iter().find(|it| it.hash == hash).cloned();
        match self.look(find).await? {
            Some(handle) if handle.is_spent => self.revoke_family(name, &handle.family).await.map(|()| None),
            found => Ok(found),
        }
    }

    /// Replaces a refresh token of a public client, once there is an access token to give with the new one: a client that
    /// gets an error keeps the one that it has. A client with a secret keeps it in any case.
    ///
    /// # Errors
    /// If the file cannot be read or written.
    pub async fn rotate(&self, name: &str, handle: Handle) -> Result<Rotated, Error> {
        let (owner, hash_now) = (name.to_owned(), handle.hash.clone());
        let is_kept = self
            .look(move |table| {
                let client = table.get_mut(&owner).filter(|client| client.secret.is_some())?;
                Some(client.uses(&hash_now))
            })
            .await?;
        if let Some(is_kept) = is_kept {
            return Ok(if is_kept { Rotated::Kept } else { Rotated::Void });
        }
        let secret = Secret::from(random::hex::<32>());
        let (name, new) = (name.to_owned(), Handle { hash: hash(secret.expose()), ..handle.clone() });
        self.change(move |table| {
            let Some(client) = table.get_mut(&name) else { return Rotated::Void };
            let old = client.handles.iter_mut().find(|it| it.hash == handle.hash && !it.is_spent);
            let Some(old) = old else { return Rotated::Void };
            old.is_spent = true;
            client.add(new);
            Rotated::Replaced(secret)
        })
        .await
    }

    /// Voids a refresh token of the client, and all that it replaced. One that is not known is void already. False if it is
    /// another client's, whose it stays.
    ///
    /// # Errors
    /// If the file cannot be read or written.
    pub async fn revoke(&self, name: &str, shown: &Secret) -> Result<bool, Error> {
        let hash = hash(shown.expose());
        let found = self
            .look(move |table| {
                table.iter().find_map(|(owner, client)| {
                    let handle = client.handles.iter().find(|handle| handle.hash == hash)?;
                    Some((owner.clone(), handle.family.clone()))
                })
            })
            .await?;
        match found {
            Some((owner, family)) if owner == name => self.revoke_family(name, &family).await.map(|()| true),
            found => Ok(found.is_none()),
        }
    }

    /// Voids all refresh tokens of this family.
    ///
    /// # Errors
    /// If the file cannot be read or written.
    pub async fn revoke_family(&self, name: &str, family: &str) -> Result<(), Error> {
        let (name, family) = (name.to_owned(), family.to_owned());
        self.change(move |table| {
            if let Some(client) = table.get_mut(&name) {
                client.handles.retain(|handle| handle.family != family);
            }
        })
        .await
    }

    /// Voids all refresh tokens for this account.
    ///
    /// # Errors
    /// If the file cannot be read or written.
    pub async fn revoke_account(&self, account: &str) -> Result<(), Error> {
        let account = account.to_owned();
        self.change(move |table| {
            for client in table.values_mut() {
                client.handles.retain(|handle| handle.account != account);
            }
        })
        .await
    }

    /// What `look` changes is written with the next change.
    async fn look<T: Send + 'static>(
        &self,
        look: impl FnOnce(&mut Table) -> T + Send + 'static,
    ) -> Result<T, Error> {
        // What was read before is at hand, unless the file is being written.
        if let Ok(mut known) = self.0.known.try_lock()
            && let Some(table) = known.as_mut()
        {
            return Ok(look(table));
        }
        self.with(|_, table| Ok(look(table))).await
    }

    /// Writes the file before the change takes effect.
    async fn change<T: Send + 'static>(
        &self,
        change: impl FnOnce(&mut Table) -> T + Send + 'static,
    ) -> Result<T, Error> {
        self.with(|path, table| {
            let mut new = table.clone();
            let changed = change(&mut new);
            if new != *table {
                write(path, &new).map_err(|error| unwritable(path, &error))?;
                *table = new;
            }
            Ok(changed)
        })
        .await
    }

    async fn with<T: Send + 'static>(
        &self,
        act: impl FnOnce(&Path, &mut Table) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let shared = Arc::clone(&self.0);
        let done = tokio::task::spawn_blocking(move || {
            let mut known = lock(&shared.known);
            if known.is_none() {
                *known = Some(read(&shared.path).map_err(|error| unusable(&shared.path, &error))?);
            }
            act(&shared.path, known.get_or_insert_default())
        });
        done.await.unwrap_or_else(|_| Err(stopping()))
    }
}

impl Client {
    fn add(&mut self, handle: Handle) {
        self.handles.push(handle);
        if self.handles.len() > MOST_HANDLES {
            // One that was replaced is kept only to notice a second use.
            let first = self.handles.iter().position(|handle| handle.is_spent).unwrap_or_default();
            self.handles.remove(first);
        }
    }

    /// Whether this refresh token is valid. If so, it is the one that was used last.
    fn uses(&mut self, hash: &str) -> bool {
        let found = self.handles.iter().position(|handle| handle.hash == hash && !handle.is_spent);
        if let Some(at) = found {
            self.handles[at..].rotate_left(1);
        }
        found.is_some()
    }
}

fn read(path: &Path) -> io::Result<Table> {
    let Some(text) = read_own(path)? else { return Ok(Table::new()) };
    let content: Content = serde_json::from_str(&text)?;
    if content.version != VERSION {
        return Err(io::Error::other("another version of imgurd wrote it"));
    }
    Ok(content.clients)
}

fn write(path: &Path, clients: &Table) -> io::Result<()> {
    durable::replace_json(path, &Content { version: VERSION, clients: clients.clone() })
}

fn unwritable(path: &Path, error: &io::Error) -> Error {
    let reason = format!(
        "imgurd cannot write {} ({}), so nothing was changed; make room, or make it writable, then try again",
        path.display(),
        cause(error)
    );
    Error::StoreUnavailable { reason }
}

fn unusable(path: &Path, error: &io::Error) -> Error {
    let path = path.display();
    Error::StoreUnavailable {
        reason: format!(
            "imgurd cannot use {path} ({error}); repair it, or remove it and run `imgurctl gateway add` for each \
             client",
            error = cause(&error)
        ),
    }
}

#[cfg(test)]
mod tests;
