use super::*;

const START: Timestamp = Timestamp::from_millis(1_700_000_000_000);
const HOUR: Duration = Duration::from_hours(1);

fn notice(matter: Matter, grace: Duration) -> Notice {
    Notice {
        matter,
        summary: "Sign in".to_owned(),
        body: "Please.".to_owned(),
        remedy: None,
        instruction: None,
        grace,
    }
}

fn consent() -> Notice {
    notice(Matter::Consent, Duration::ZERO)
}

fn schedule() -> Schedule {
    let mut schedule = Schedule::default();
    schedule.set_pauses(&[HOUR, 4 * HOUR, 24 * HOUR]);
    schedule
}

fn shown(schedule: &mut Schedule, at: Timestamp) -> bool {
    !schedule.take_due(at).is_empty()
}

#[test]
fn an_unanswered_one_returns_after_an_hour_then_four_then_daily() {
    let mut schedule = schedule();
    schedule.update("mine", Some(consent()), false, START);
    let mut at = START;
    for pause in [0, 1, 4, 24, 24, 24] {
        at = at + HOUR * pause;
        assert_eq!(schedule.next(), Some(at));
        assert!(pause == 0 || !shown(&mut schedule, Timestamp::from_millis(at.as_millis() - 1)));
        assert!(shown(&mut schedule, at), "after {pause} h");
        assert_eq!(schedule.update("mine", Some(consent()), false, at), Change::None);
    }
}

#[test]
fn later_means_a_whole_pause_from_then_on() {
    let mut schedule = schedule();
    schedule.update("mine", Some(consent()), false, START);
    assert!(shown(&mut schedule, START));
    let clicked = START + HOUR / 2;
    schedule.put_off("mine", clicked);
    assert_eq!(schedule.next(), Some(clicked + HOUR));
}

#[test]
fn what_is_solved_is_withdrawn_and_does_not_return() {
    let mut schedule = schedule();
    schedule.update("mine", Some(consent()), false, START);
    assert!(shown(&mut schedule, START));
    assert_eq!(schedule.update("mine", None, false, START), Change::Solved);
    assert_eq!(schedule.next(), None);
    assert_eq!(schedule.update("mine", None, false, START), Change::None);
}

#[test]
fn another_matter_takes_the_place_of_the_last_and_begins_anew() {
    let mut schedule = schedule();
    schedule.update("mine", Some(consent()), false, START);
    assert!(shown(&mut schedule, START));
    let refused = Some(notice(Matter::Refused, Duration::ZERO));
    assert_eq!(schedule.update("mine", refused, false, START), Change::Solved);
    assert!(shown(&mut schedule, START));
}

#[test]
fn a_fault_that_passes_within_its_grace_is_never_told() {
    let mut schedule = schedule();
    let grace = Duration::from_secs(10);
    schedule.update("mine", Some(notice(Matter::Locked, grace)), false, START);
    assert!(!shown(&mut schedule, START + grace / 2));
    schedule.update("mine", None, false, START + grace / 2);
    assert!(!shown(&mut schedule, START + grace));
    // Somebody who waits for it cuts the grace short.
    schedule.update("mine", Some(notice(Matter::Locked, grace)), false, START);
    schedule.update("mine", Some(notice(Matter::Locked, Duration::ZERO)), false, START);
    assert!(shown(&mut schedule, START));
}

#[test]
fn what_nobody_could_show_is_due_when_a_server_appears() {
    let mut schedule = schedule();
    schedule.update("mine", Some(consent()), false, START);
    assert!(shown(&mut schedule, START));
    schedule.missed("mine");
    let appeared = START + HOUR / 4;
    assert!(!shown(&mut schedule, appeared));
    schedule.server_appeared(appeared);
    assert!(shown(&mut schedule, appeared));
    assert_eq!(schedule.next(), Some(appeared + HOUR), "it counts as the first time");
    schedule.server_appeared(appeared);
    assert!(!shown(&mut schedule, appeared), "it was seen");
}

#[test]
fn nothing_interrupts_a_sign_in_and_one_that_failed_is_left_alone_for_a_pause() {
    let mut schedule = schedule();
    schedule.update("mine", Some(consent()), true, START);
    assert!(!shown(&mut schedule, START));
    assert_eq!(schedule.next(), None);
    schedule.update("mine", Some(consent()), false, START);
    assert_eq!(schedule.next(), Some(START + HOUR));
}

#[test]
fn trouble_that_comes_with_a_sign_in_is_told_after_it() {
    let mut schedule = schedule();
    let unsaved = || Some(notice(Matter::Unsaved, Duration::from_secs(10)));
    schedule.update("mine", unsaved(), true, START);
    schedule.update("mine", unsaved(), false, START);
    assert!(!shown(&mut schedule, START), "not within its grace");
    assert!(shown(&mut schedule, START + Duration::from_secs(10)));
}

#[test]
fn without_pauses_it_is_shown_once() {
    let mut schedule = Schedule::default();
    schedule.update("mine", Some(consent()), false, START);
    assert!(shown(&mut schedule, START));
    assert_eq!(schedule.next(), None);
}

#[test]
fn a_clock_that_is_set_back_puts_nothing_off_for_longer_than_a_pause() {
    let mut schedule = schedule();
    schedule.update("mine", Some(consent()), false, START);
    assert!(shown(&mut schedule, START));
    let long_ago = Timestamp::from_millis(1_600_000_000_000);
    schedule.take_due(long_ago);
    assert_eq!(schedule.next(), Some(long_ago + 24 * HOUR));
}

/// Found by a run of random operations on a bus without a notification server: it was tried some hundred times a second.
#[test]
fn what_nobody_can_show_is_not_tried_again_at_once() {
    let mut schedule = schedule();
    schedule.update("mine", Some(consent()), false, START);
    for hours in 0..3 {
        let at = START + HOUR * hours;
        assert!(shown(&mut schedule, at));
        schedule.missed("mine");
        schedule.update("mine", Some(consent()), false, at);
        assert_eq!(schedule.next(), Some(at + HOUR));
    }
    schedule.server_appeared(START + HOUR * 2);
    assert!(shown(&mut schedule, START + HOUR * 2));
}
