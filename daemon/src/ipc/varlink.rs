//! Varlink on the local socket: NUL-terminated JSON (<https://varlink.org>), a task for each connection.
//!
//! It is written by hand. `zlink` 0.8 serves all connections in one task, ends when accepting fails, takes messages of 100 MiB
//! and hangs up when a parameter is wrong.

mod connection;
#[cfg(test)]
mod tests;

use std::io;
use std::sync::Arc;

use imgurd_proto::text::printable_name;
use imgurd_proto::varlink::{Call, Reply, ServiceError, ServiceInfo, frame};
use imgurd_proto::{
    AddAccount, CancelLogin, CompleteLogin, Discover, Error, ExportGrant, GetCredits, GetToken, INTERFACE,
    INTERFACE_TEXT, ImportGrant, JournalReply, ListAccounts, ListGatewayClients, ListPermits, Login,
    LoginReply, Logout, Method, OneAccount, Probe, ReadJournal, Refresh, RejectToken, RemoveAccount,
    RemoveGatewayClient, RemovePermit, RestoreGrant, SetAccount, SetGateway, SetGatewayClient, SetPermit,
    Token, UnlockStore, Watch,
};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tokio::net::UnixStream;
use tokio::task::yield_now;
use url::Url;

use super::fairness::{Queue, Queues};
use super::{Api, LocalSocket};
use crate::access::{Caller, Slot, needs};
use crate::keeper::SignedIn;

use connection::{Answers, Calls};

/// The description of `org.varlink.service`, which every Varlink service has.
const SERVICE_TEXT: &str = "\
# The Varlink Service Interface is provided by every varlink service.
interface org.varlink.service

method GetInfo() -> (vendor: string, product: string, version: string, url: string, interfaces: []string)

method GetInterfaceDescription(interface: string) -> (description: string)

error InterfaceNotFound (interface: string)
error MethodNotFound (method: string)
error MethodNotImplemented (method: string)
error InvalidParameter (parameter: string)
error PermissionDenied ()
error ExpectedMore ()
";

/// Serves callers, as long as it is polled.
pub async fn serve(socket: LocalSocket, api: Api) {
    let (api, mut queues) = (Arc::new(api), Queues::default());
    loop {
        let (stream, caller, slot) = socket.accept(&api.journal).await;
        let (api, queue, slot) = (Arc::clone(&api), queues.queue(&caller), Arc::new(slot));
        let held = Arc::clone(&slot);
        let task = tokio::spawn(async move {
            if let Err(error) = converse(stream, &caller, &queue, &held, &api).await {
                tracing::debug!(%error, "closed a connection");
            }
        });
        slot.served_by(task.abort_handle());
        // A connection that lost its slot ends before the next is accepted, so that there are never more descriptors
        // than slots.
        yield_now().await;
    }
}

pub(crate) async fn converse(
    mut stream: UnixStream,
    caller: &Caller,
    queue: &Queue,
    slot: &Slot,
    api: &Api,
) -> io::Result<()> {
    let (reader, writer) = stream.split();
    let mut calls = Calls::new(reader);
    let mut answers = Answers::new(writer);
    while let Some(message) = calls.next().await? {
        slot.busy();
        let call: Call<'_, &RawValue> = serde_json::from_slice(object(&message)?)?;
        let mut turn = queue.wait().await;
        let answered = tokio::select! {
            // A call that can be answered immediately is answered without checking the connection.
            biased;
            answered = answer(&call, caller, api, &mut answers) => answered,
            // A call that has to wait ends its turn.
            () = async { turn.end().await; calls.wait_for_hangup().await } => return Ok(()),
        };
        answered?;
        slot.idle();
        turn.end().await;
    }
    Ok(())
}

/// A message, which must be a JSON object. Serde reads the fields of an array by their positions.
fn object(message: &[u8]) -> io::Result<&[u8]> {
    let is_object = message.trim_ascii_start().starts_with(b"{");
    if is_object { Ok(message) } else { Err(io::ErrorKind::InvalidData.into()) }
}

/// Why a call has no ordinary answer.
#[derive(Serialize)]
#[serde(untagged)]
enum Failure {
    Keeper(Error),
    Service(ServiceError),
    /// The caller cannot receive anything any more.
    #[serde(skip)]
    HungUp(io::Error),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Keeper(error)
    }
}

impl From<ServiceError> for Failure {
    fn from(error: ServiceError) -> Self {
        Self::Service(error)
    }
}

async fn answer(
    call: &Call<'_, &RawValue>,
    caller: &Caller,
    api: &Api,
    answers: &mut Answers<'_>,
) -> io::Result<()> {
    let one = match dispatch(call, caller, api, answers).await {
        Ok(Some(one)) => one,
        Ok(None) => return Ok(()),
        Err(Failure::HungUp(error)) => return Err(error),
        Err(failure) => frame(&failure)?,
    };
    if call.oneway { Ok(()) } else { answers.write(&one).await }
}

/// The answer to a call; `None` if a stream was sent instead.
type Answer = Result<Option<Vec<u8>>, Failure>;

async fn dispatch(
    call: &Call<'_, &RawValue>,
    caller: &Caller,
    api: &Api,
    answers: &mut Answers<'_>,
) -> Answer {
    if call.parameters.is_some_and(|parameters| !parameters.get().starts_with('{')) {
        return Err(ServiceError::InvalidParameter { parameter: "parameters".to_owned() }.into());
    }
    // A method without a policy row does not exist, whatever the dispatcher below has.
    let needs = needs(&call.method).ok_or_else(|| not_found(call))?;
    api.check_method(caller, needs, &call.method)?;
    let (interface, method) = call.method.rsplit_once('.').unwrap_or_default();
    match (interface, method) {
        (INTERFACE, GetToken::NAME) => token(call, |it| api.get_token(caller, method, it)).await,
        (INTERFACE, RejectToken::NAME) => token(call, |it| api.reject_token(caller, it)).await,
        (INTERFACE, Refresh::NAME) => token(call, |it| api.refresh(caller, it)).await,
        (INTERFACE, ListAccounts::NAME) => one(call, async |it| api.list_accounts(caller, &it)).await,
        (INTERFACE, AddAccount::NAME) => one(call, |it| api.add_account(it)).await,
        (INTERFACE, SetAccount::NAME) => one(call, |it| api.set_account(it)).await,
        (INTERFACE, RemoveAccount::NAME) => one(call, |it| api.remove_account(it)).await,
        (INTERFACE, ImportGrant::NAME) => one(call, |it| api.import_grant(it)).await,
        (INTERFACE, RestoreGrant::NAME) => one(call, |it| api.restore_grant(it)).await,
        (INTERFACE, ExportGrant::NAME) => one(call, |it| api.export_grant(caller, it)).await,
        (INTERFACE, GetCredits::NAME) => one(call, |it| api.get_credits(it)).await,
        (INTERFACE, CompleteLogin::NAME) => one(call, |it| api.complete_login(it)).await,
        (INTERFACE, CancelLogin::NAME) => {
            one(call, async |it: CancelLogin| api.cancel_login(&it.login_id).await).await
        }
        (INTERFACE, Logout::NAME) => one(call, |it| api.logout(it)).await,
        (INTERFACE, UnlockStore::NAME) => one(call, async |_: UnlockStore| api.unlock_store().await).await,
        (INTERFACE, ListPermits::NAME) => one(call, async |_: ListPermits| api.list_permits().await).await,
        (INTERFACE, SetPermit::NAME) => one(call, |it| api.set_permit(it)).await,
        (INTERFACE, RemovePermit::NAME) => one(call, |it| api.remove_permit(it)).await,
        (INTERFACE, SetGateway::NAME) => one(call, |it| api.set_gateway(it)).await,
        (INTERFACE, ListGatewayClients::NAME) => {
            one(call, async |_: ListGatewayClients| Ok(api.list_gateway_clients().await)).await
        }
        (INTERFACE, SetGatewayClient::NAME) => one(call, |it| api.set_gateway_client(it)).await,
        (INTERFACE, RemoveGatewayClient::NAME) => one(call, |it| api.remove_gateway_client(it)).await,
        (INTERFACE, Discover::NAME) => one(call, |it| api.discover(it)).await,
        (INTERFACE, Probe::NAME) => one(call, async |_: Probe| api.probe().await).await,
        (INTERFACE, Login::NAME) => login(call, api, answers).await,
        (INTERFACE, ReadJournal::NAME) => read_journal(call, api, answers).await,
        (INTERFACE, Watch::NAME) => watch(call, caller, api, answers).await,
        ("org.varlink.service", "GetInfo") => encode(info()),
        ("org.varlink.service", "GetInterfaceDescription") => encode(description(call)?),
        _ => Err(not_found(call).into()),
    }
}

async fn one<P: DeserializeOwned, R: Serialize>(
    call: &Call<'_, &RawValue>,
    method: impl AsyncFnOnce(P) -> Result<R, Error>,
) -> Answer {
    encode(method(arguments(call)?).await?)
}

/// Handles a method whose answer is a token.
async fn token<P: DeserializeOwned>(
    call: &Call<'_, &RawValue>,
    method: impl AsyncFnOnce(P) -> Result<Arc<Token>, Error>,
) -> Answer {
    encode(HandedOut { token: &*method(arguments(call)?).await? })
}

/// [`TokenReply`](imgurd_proto::TokenReply), with no copy of the token.
#[derive(Serialize)]
struct HandedOut<'a> {
    token: &'a Token,
}

async fn login(call: &Call<'_, &RawValue>, api: &Api, answers: &mut Answers<'_>) -> Answer {
    let mut login = api.login(streaming(call)?).await?;
    let code = login.open.code.as_ref();
    let reply = LoginReply { login_id: login.open.id.clone(), ..LoginReply::default() };
    let begun = LoginReply {
        url: Some(login.open.url.to_string()),
        paste: Some(login.open.paste),
        user_code: code.map(|code| code.user_code.clone()),
        verification_uri_complete: code.and_then(|code| code.complete.as_ref().map(Url::to_string)),
        ..reply.clone()
    };
    answers.stream(begun, true).await?;
    let mut hint = login.open.hint.clone();
    let SignedIn { account, note } = loop {
        tokio::select! {
            biased;
            outcome = login.outcome() => break outcome?,
            Ok(()) = hint.changed() => {
                let note = hint.borrow_and_update().clone();
                answers.stream(LoginReply { note, ..reply.clone() }, true).await?;
            }
        }
    };
    let ended = LoginReply { account: Some(account), note, ..reply };
    answers.stream(ended, false).await?;
    Ok(None)
}

async fn watch(call: &Call<'_, &RawValue>, caller: &Caller, api: &Api, answers: &mut Answers<'_>) -> Answer {
    let mut watcher = api.watch(caller, &streaming(call)?)?;
    while let Some(account) = watcher.next().await {
        // Permits may change during the watch.
        for account in api.visible(caller, [account]) {
            answers.stream(OneAccount { account }, true).await?;
        }
    }
    Err(Error::unavailable("The account that you watched was removed; see `imgurctl account list`").into())
}

async fn read_journal(call: &Call<'_, &RawValue>, api: &Api, answers: &mut Answers<'_>) -> Answer {
    let call: ReadJournal = streaming(call)?;
    let follow = call.follow.unwrap_or(false);
    let mut reading = api.read_journal(call.account.as_deref(), follow).await?;
    while let Some(entry) = reading.past() {
        answers.stream(JournalReply { entry: Some(entry) }, true).await?;
    }
    answers.stream(JournalReply::default(), follow).await?;
    while let Some(entry) = reading.future().await? {
        answers.stream(JournalReply { entry: Some(entry) }, true).await?;
    }
    Ok(None)
}

/// The arguments of a call, or the name of the one that is missing or has the wrong type.
fn arguments<P: DeserializeOwned>(call: &Call<'_, &RawValue>) -> Result<P, ServiceError> {
    let text = call.parameters.map_or("{}", RawValue::get);
    if let Ok(arguments) = serde_json::from_str(text) {
        return Ok(arguments);
    }
    // Read it again, to find the position of the mistake.
    let mut deserializer = serde_json::Deserializer::from_str(text);
    serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
        let path = error.path().to_string();
        let message = error.inner().to_string();
        // The path does not contain a missing field; serde names it between backticks.
        let missing = message.strip_prefix("missing field `").and_then(|rest| rest.split('`').next());
        let parameter = missing.map_or(path, str::to_owned);
        ServiceError::InvalidParameter { parameter: printable_name(&parameter) }
    })
}

fn streaming<P: DeserializeOwned>(call: &Call<'_, &RawValue>) -> Result<P, ServiceError> {
    if call.more { arguments(call) } else { Err(ServiceError::ExpectedMore {}) }
}

fn info() -> ServiceInfo {
    ServiceInfo {
        vendor: "imgurd".to_owned(),
        product: "imgurd".to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        url: env!("CARGO_PKG_REPOSITORY").to_owned(),
        interfaces: vec!["org.varlink.service".to_owned(), INTERFACE.to_owned()],
    }
}

#[derive(Deserialize)]
struct GetInterfaceDescription {
    interface: String,
}

#[derive(Serialize)]
struct Description {
    description: &'static str,
}

fn description(call: &Call<'_, &RawValue>) -> Result<Description, ServiceError> {
    let GetInterfaceDescription { interface } = arguments(call)?;
    match interface.as_str() {
        INTERFACE => Ok(Description { description: INTERFACE_TEXT }),
        "org.varlink.service" => Ok(Description { description: SERVICE_TEXT }),
        _ => Err(ServiceError::InterfaceNotFound { interface: printable_name(&interface) }),
    }
}

fn not_found(call: &Call<'_, &RawValue>) -> ServiceError {
    let (interface, _) = call.method.rsplit_once('.').unwrap_or_default();
    if interface == INTERFACE || interface == "org.varlink.service" {
        ServiceError::MethodNotFound { method: printable_name(&call.method) }
    } else {
        ServiceError::InterfaceNotFound { interface: printable_name(interface) }
    }
}

fn encode(parameters: impl Serialize) -> Answer {
    let message = frame(&Reply { parameters, continues: false });
    message.map(Some).map_err(|error| Failure::HungUp(error.into()))
}
