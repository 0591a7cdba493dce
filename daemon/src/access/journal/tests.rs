use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::time::Duration;

use imgurd_proto::Wire;
use proptest::prelude::*;
use tempfile::TempDir;

use super::file::LIMIT;
use super::*;

fn caller() -> Caller {
    Caller::new(1000, std::process::id().try_into().ok(), Wire::Socket)
}

fn note(account: &str) -> JournalEntry {
    let caller = caller();
    entry(
        &kind(&caller, caller.application.name(), Outcome::Granted, Some("GetToken"), Some(account), None),
        &caller,
        100,
    )
}

fn file() -> (TempDir, PathBuf, JournalFile) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("journal");
    (directory, path.clone(), JournalFile::new(path))
}

fn mode(path: &PathBuf) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn reads_entries_in_the_order_of_writing() {
    let (_directory, path, file) = file();
    assert!(file.read().unwrap().is_empty());
    file.append(&[note("a"), note("b")]).unwrap();
    file.append(&[note("c")]).unwrap();
    assert_eq!(file.read().unwrap(), [note("a"), note("b"), note("c")]);
    assert_eq!(mode(&path), 0o600);
}

#[test]
fn makes_a_readable_journal_private() {
    let (_directory, path, file) = file();
    fs::write(&path, "").unwrap();
    fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
    file.append(&[note("a")]).unwrap();
    assert_eq!(mode(&path), 0o600);
}

#[test]
fn an_incomplete_line_loses_no_other_entry() {
    let (_directory, path, file) = file();
    file.append(&[note("a")]).unwrap();
    let whole = fs::read(&path).unwrap();
    fs::write(&path, [&whole, &whole[..20]].concat()).unwrap();
    file.append(&[note("b")]).unwrap();
    fs::write(&path, [&fs::read(&path).unwrap(), &b"\xff\n\n[]\n{\"at\":1}\n"[..]].concat()).unwrap();
    file.append(&[note("c")]).unwrap();
    assert_eq!(file.read().unwrap(), [note("a"), note("b"), note("c")]);
}

#[test]
fn the_journal_stays_within_two_files() {
    let (directory, path, file) = file();
    let entries: Vec<_> = (0..500).map(|number| note(&format!("account-{number}"))).collect();
    for _ in 0..40 {
        file.append(&entries).unwrap();
        let sizes: Vec<_> =
            fs::read_dir(directory.path()).unwrap().map(|it| it.unwrap().metadata().unwrap().len()).collect();
        assert!(sizes.len() <= 2 && sizes.iter().all(|size| *size <= LIMIT), "{sizes:?}");
    }
    let read = file.read().unwrap();
    assert!(read.ends_with(&entries));
    assert!(read.len() > entries.len() && read.len() % entries.len() == 0);
    assert_eq!(mode(&path.with_added_extension("old")), 0o600);
}

#[test]
fn does_not_write_through_a_symlink_or_into_a_pipe() {
    let (directory, path, file) = file();
    let other = directory.path().join("other");
    fs::write(&other, "").unwrap();
    symlink(&other, &path).unwrap();
    assert!(file.append(&[note("a")]).is_err());
    assert!(file.read().is_err());
    assert!(fs::read(&other).unwrap().is_empty());
    fs::remove_file(&path).unwrap();
    rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, rustix::fs::Mode::RUSR, 0)
        .unwrap();
    assert!(file.append(&[note("a")]).is_err());
}

#[tokio::test(start_paused = true)]
async fn combines_similar_entries_of_a_minute() {
    let (mut folds, begin) = (Folds::default(), Instant::now());
    let second = |number: u64| begin + Duration::from_secs(number);
    let at = |at| JournalEntry { at, pid: Some(i32::try_from(at).unwrap()), ..note("a") };
    assert_eq!(folds.add(at(0), second(0)), [at(0)]);
    assert_eq!(folds.next(), None, "no combined entry is due later");
    assert!(folds.add(at(1), second(1)).is_empty());
    assert!(folds.add(at(9), second(9)).is_empty());
    let both = JournalEntry { until: Some(9), count: 2, ..at(1) };
    assert_eq!(folds.untold(), std::slice::from_ref(&both));
    assert_eq!(folds.add(note("b"), second(10)), [note("b")]);
    assert_eq!(folds.next(), Some(second(60)));
    assert!(folds.due(second(59)).is_empty());
    assert_eq!(folds.due(second(60)), [both]);
    // A program that continues to call makes one line a minute.
    assert!(folds.add(at(61), second(61)).is_empty());
    assert_eq!(folds.due(second(120)), [at(61)]);
    assert_eq!(folds.next(), None);
    assert_eq!(
        folds.add(at(181), second(181)),
        [at(181)],
        "after a minute without calls, an entry is written at once"
    );
}

#[tokio::test(start_paused = true)]
async fn a_sandboxed_program_cannot_add_lines_by_renaming_itself() {
    let (mut folds, now) = (Folds::default(), Instant::now());
    let called =
        |name: i32, sandboxed| JournalEntry { program: Some(name.to_string()), sandboxed, ..note("a") };
    for (sandboxed, lines) in [(true, 1), (false, 10)] {
        let told: usize = (0..10).map(|name| folds.add(called(name, sandboxed), now).len()).sum();
        assert_eq!(told, lines);
    }
}

#[tokio::test(start_paused = true)]
async fn counts_a_limited_number_of_kinds_and_loses_no_entry() {
    let (mut folds, now) = (Folds::default(), Instant::now());
    let told: usize =
        (0..2).map(|_| (0..1000).map(|it| folds.add(note(&it.to_string()), now).len()).sum::<usize>()).sum();
    assert_eq!(told, 2000, "no entry is lost");
    folds.add(note("999"), now);
    assert_eq!(folds.rest().len(), 1);
}

#[tokio::test]
async fn entries_reach_followers_and_the_file() {
    let (_directory, path, file) = file();
    let journal = spawn(path).unwrap();
    let mut following = journal.read(None, true).await.unwrap();
    let mut of_another = journal.read(Some("b".to_owned()), true).await.unwrap();
    assert_eq!(following.past(), None);
    for account in ["a", "a", "b"] {
        journal.granted(&caller(), "GetToken", account);
    }
    let denied = Error::AccessDenied { reason: "no ".repeat(1000) };
    journal.denied(&caller(), None, None, &denied);
    journal.denied(
        &caller(),
        Some("GetToken"),
        Some("a"),
        &Error::StoreUnavailable { reason: String::new() },
    );
    let first = following.future().await.unwrap().unwrap();
    assert_eq!((first.account.as_deref(), first.count, first.outcome), (Some("a"), 1, Outcome::Granted));
    assert_eq!(of_another.future().await.unwrap().unwrap().account.as_deref(), Some("b"));
    assert_eq!(of_another.future().await.unwrap().unwrap().outcome, Outcome::Denied);
    let mut read = journal.read(Some("a".to_owned()), false).await.unwrap();
    let read: Vec<_> = std::iter::from_fn(|| read.past()).collect();
    assert_eq!(read.len(), 3, "two written entries and one that is only counted yet: {read:?}");
    assert!(read[1].reason.as_ref().unwrap().starts_with("no no"));
    assert_eq!(file.read().unwrap().len(), 3);
    journal.end().await;
    assert_eq!(file.read().unwrap().len(), 4);
}

#[tokio::test]
async fn counts_similar_entries_without_waking_the_writer() {
    let (_directory, path, file) = file();
    let journal = spawn(path).unwrap();
    for _ in 0..10 {
        journal.granted(&caller(), "GetToken", "a");
    }
    // The writer has not run yet, so no entry was counted instead of sent.
    assert_eq!(journal.notes.max_capacity() - journal.notes.capacity(), 10);
    journal.end().await;
    assert_eq!(file.read().unwrap().iter().map(|entry| entry.count).sum::<u64>(), 10);
    for _ in 0..2 {
        journal.granted(&caller(), "GetToken", "b");
    }
    journal.read(None, false).await.unwrap();
    for _ in 0..10 * WAITING {
        journal.granted(&caller(), "GetToken", "b");
    }
    assert_eq!(journal.notes.capacity(), journal.notes.max_capacity());
    journal.end().await;
    let counted: u64 = file.read().unwrap().iter().map(|entry| entry.count).sum();
    assert_eq!(counted, 10 + 2 + 10 * WAITING as u64);
}

#[tokio::test]
async fn followers_get_entries_when_the_file_cannot_be_written() {
    let journal = spawn(PathBuf::from("/nowhere/journal")).unwrap();
    let mut following = journal.read(None, true).await.unwrap();
    for account in ["a", "b"] {
        journal.granted(&caller(), "GetToken", account);
        assert_eq!(following.future().await.unwrap().unwrap().account.as_deref(), Some(account));
    }
}

#[tokio::test(start_paused = true)]
async fn drops_entries_when_the_journal_falls_behind() {
    let (_directory, path, file) = file();
    let journal = spawn(path).unwrap();
    // The writer does not run in between, as with a disk that does not respond.
    for number in 0..10 * WAITING {
        journal.granted(&caller(), "GetToken", &number.to_string());
    }
    journal.end().await;
    assert_eq!(file.read().unwrap().len(), WAITING);
}

proptest! {
    #[test]
    fn no_line_contains_a_token(
        token in "[A-Za-z0-9+/._-]{16,80}", account in "[a-z]{1,8}", name in ".{0,40}", pid in any::<Option<i32>>()
    ) {
        let token = imgurd_proto::Token {
            account, access_token: token.as_str().into(), token_type: "Bearer".to_owned(), expires_at: None, username: Some(name),
        };
        for outcome in [Outcome::Granted, Outcome::Denied] {
            for wire in [Wire::Socket, Wire::Remote, Wire::Bus] {
                let caller = Caller::new(1000, pid, wire);
                let kind = kind(&caller, caller.application.name(), outcome, Some("RejectToken"), Some(&token.account), None);
                let line = serde_json::to_string(&entry(&kind, &caller, 100)).unwrap();
                prop_assert!(!line.contains(token.access_token.expose()));
                prop_assert!(!line.contains('\n') && line.len() < 4096);
            }
        }
    }

    #[test]
    fn skips_arbitrary_bytes_before_an_entry(text in any::<Vec<u8>>()) {
        let entries = [&text[..], b"\n", &serde_json::to_vec(&note("a")).unwrap()].concat();
        prop_assert_eq!(parse(&entries).last(), Some(note("a")));
    }
}

fn refusal(application: &str, account: &str) -> JournalEntry {
    let (outcome, application) = (Outcome::Denied, application.to_owned());
    JournalEntry { outcome, application, sandboxed: true, ..note(account) }
}

#[test]
fn refusals_do_not_push_out_entries_about_tokens() {
    let (_directory, _path, file) = file();
    file.append(&[note("a")]).unwrap();
    let refusals: Vec<_> = (0..500).map(|number| refusal("app", &format!("account-{number}"))).collect();
    for _ in 0..40 {
        file.append(&refusals).unwrap();
    }
    let read = file.read().unwrap();
    assert!(read.contains(&note("a")) && read.ends_with(&refusals));
}

#[tokio::test(start_paused = true)]
async fn varied_refusals_of_one_program_make_few_lines() {
    let (mut folds, begin) = (Folds::default(), Instant::now());
    let mut told = Vec::new();
    for second in 0..3600_u64 {
        let now = begin + Duration::from_secs(second);
        for number in 0..5 {
            told.extend(folds.add(refusal("greedy", &format!("account-{second}-{number}")), now));
        }
        if second % 600 == 300 {
            told.extend(folds.add(refusal("modest", &format!("account-{second}")), now));
        }
    }
    told.extend(folds.rest());
    let (greedy, modest): (Vec<_>, _) = told.iter().partition(|entry| entry.application == "greedy");
    assert!(greedy.len() < 40, "{} lines", greedy.len());
    assert_eq!(greedy.iter().map(|entry| entry.count).sum::<u64>(), 5 * 3600, "every call is counted");
    assert_eq!(modest.len(), 6);
}
