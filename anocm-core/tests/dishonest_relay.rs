//! A relay that lies about the log: ages, order, content.
#![expect(clippy::panic, clippy::indexing_slicing, reason = "a test that cannot go on ends")]

mod common;

use std::time::Duration;

use anocm_core::{
    Command, Epoch, Nickname, Payload, Retention, RoomEvent, Seq,
    room::{Ended, Trouble},
    wire::{CloseReason, EntryKind, Event, LogItem, RelayFrame, Reply},
};
use common::{scene::Scene, seconds};

const HOUR: u64 = 3_600_000;

fn altered(sealed: &Payload) -> Payload {
    let mut bytes = sealed.to_vec();
    bytes[500] ^= 1;
    Payload::from(bytes)
}

/// Returns the log item of an event.
fn told(frame: &RelayFrame) -> Option<LogItem> {
    match frame {
        RelayFrame::Event(Event::Entry { item, .. }) => Some(item.clone()),
        _ => None,
    }
}

fn again(frame: &RelayFrame, new: LogItem) -> RelayFrame {
    match frame {
        RelayFrame::Event(Event::Entry { address, .. }) => {
            RelayFrame::Event(Event::Entry { address: *address, item: new })
        }
        _ => panic!("an entry was expected"),
    }
}

#[tokio::test(start_paused = true)]
async fn an_impossible_age_hides_nothing_that_is_told() {
    for age in [HOUR / 2, HOUR, u64::MAX] {
        let mut scene = Scene::new().await;
        scene.relay.entries(move |item| item.age = age);
        scene.alice_says("not that old");
        scene.is_distrusted().await;
        assert_eq!(scene.bob.kept(), ["not that old"]);
        scene.goes_on().await;
    }
}

#[tokio::test(start_paused = true)]
async fn an_impossible_age_hides_nothing_that_is_read() {
    let mut scene = Scene::new().await;
    scene.relay.entries(move |item| item.age = HOUR);
    scene.relay.cut();
    scene.alice_says("not that old");
    scene.is_distrusted().await;
    assert_eq!(scene.bob.kept(), ["not that old"]);
    scene.goes_on().await;
}

#[tokio::test(start_paused = true)]
async fn what_is_told_past_its_retention_is_not_shown_and_reported() {
    for age in [20_000, u64::MAX] {
        let mut scene = Scene::new().await;
        scene.bob.meanwhile(Duration::from_secs(30)).await;
        scene.relay.entries(move |item| item.age = age);
        scene.alice.says("too old", seconds(20));
        let troubles = scene.troubles().await;
        assert!(troubles.contains(&Trouble::DishonestRelay), "{troubles:?}");
        assert!(troubles.contains(&Trouble::Missed { count: 1 }), "{troubles:?}");
        assert!(scene.bob.kept().is_empty());
        scene.goes_on().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_membership_change_past_its_retention_is_followed_all_the_same() {
    let mut scene = Scene::new().await;
    scene.relay.entries(move |item| item.age = u64::MAX);
    scene.alice.does(Command::Rename("Alicia".parse().unwrap()));
    scene.is_distrusted().await;
    assert_eq!(scene.bob.room.view().epoch, scene.alice.room.view().epoch);
    scene.goes_on().await;
}

#[tokio::test(start_paused = true)]
async fn ages_that_grow_along_a_page_are_a_contradiction() {
    let mut scene = Scene::new().await;
    scene.relay.replies(|reply| {
        if let Reply::Page(page) = reply {
            for (age, item) in page.items.iter_mut().enumerate() {
                item.age = 1_000 * age as u64;
            }
        }
    });
    scene.relay.cut();
    scene.alice_says("first");
    scene.alice_says("second");
    scene.is_distrusted().await;
    assert!(scene.bob.kept().is_empty());
    scene.goes_on().await;
    assert_eq!(scene.bob.kept()[..2], ["first", "second"]);
}

#[tokio::test(start_paused = true)]
async fn a_live_message_that_was_kept_is_not_shown() {
    let mut scene = Scene::new().await;
    let mut withheld = None;
    scene.relay.down(move |mut frame| {
        match (told(&frame), &mut frame) {
            (Some(item), _) if item.entry.retention.is_live() => {
                withheld = Some(item);
                return vec![];
            }
            (_, RelayFrame::Reply { result: Ok(Reply::Page(page)), .. }) => {
                page.items.extend(withheld.take());
                page.items.sort_by_key(|item| item.seq);
                page.items.iter_mut().for_each(|item| item.age = 0);
            }
            _ => {}
        }
        vec![frame]
    });
    scene.alice.says("only now", Retention::Live);
    scene.bob.meanwhile(Duration::from_secs(1)).await;
    scene.alice_says("later");
    let troubles = scene.troubles().await;
    assert!(troubles.contains(&Trouble::DishonestRelay), "{troubles:?}");
    assert_eq!(scene.bob.kept(), ["later"]);
    scene.goes_on().await;
}

#[tokio::test(start_paused = true)]
async fn swapped_messages_do_not_go_unnoticed() {
    let mut scene = Scene::new().await;
    let mut held: Option<(RelayFrame, LogItem)> = None;
    scene.relay.down(move |frame| {
        let Some(mut item) = told(&frame).filter(|item| !item.entry.retention.is_live()) else {
            return vec![frame];
        };
        match held.take() {
            None => {
                held = Some((frame, item));
                vec![]
            }
            Some((first, mut early)) => {
                std::mem::swap(&mut early.seq, &mut item.seq);
                vec![again(&frame, item), again(&first, early)]
            }
        }
    });
    scene.alice_says("first");
    scene.alice_says("second");
    let troubles = scene.troubles().await;
    assert!(matches!(troubles[..], [Trouble::Gap { count: 1, .. }]), "{troubles:?}");
    scene.goes_on().await;
}

#[tokio::test(start_paused = true)]
async fn a_repeated_entry_is_shown_once() {
    let mut scene = Scene::new().await;
    scene.relay.down(|frame| vec![frame.clone(), frame]);
    scene.alice_says("once");
    assert_eq!(scene.troubles().await, []);
    assert_eq!(scene.bob.kept(), ["once"]);
    scene.goes_on().await;
}

#[tokio::test(start_paused = true)]
async fn an_entry_repeated_at_the_next_place_does_not_open_there() {
    let mut scene = Scene::new().await;
    scene.relay.down(|frame| match told(&frame) {
        Some(mut item) => {
            item.seq = item.seq.next();
            vec![frame.clone(), again(&frame, item)]
        }
        None => vec![frame],
    });
    scene.alice_says("once");
    let troubles = scene.troubles().await;
    assert!(matches!(troubles[..], [Trouble::Unreadable { .. }, ..]), "{troubles:?}");
    assert_eq!(scene.bob.kept(), ["once"]);
    // The false entry took the sequence number of the next message.
    scene.relay.honest();
    scene.alice_says("in its place");
    scene.goes_on().await;
}

#[tokio::test(start_paused = true)]
async fn an_entry_far_ahead_keeps_no_client_busy() {
    for ahead in [2, 5_000, u64::MAX - 100] {
        let mut scene = Scene::new().await;
        let mut once = true;
        scene.relay.down(move |frame| match told(&frame) {
            Some(mut item) if std::mem::take(&mut once) => {
                item.seq = Seq::new(item.seq.value().saturating_add(ahead));
                vec![again(&frame, item), frame]
            }
            _ => vec![frame],
        });
        scene.alice_says("from afar");
        scene.a_minute().await;
        assert_eq!(scene.bob.kept(), ["from afar"]);
        scene.goes_on().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_log_said_to_be_endless_keeps_no_client_busy_and_is_left_when_it_ends() {
    for far in [1_000_000_000_000, u64::MAX] {
        let mut scene = Scene::new().await;
        scene.relay.replies(move |reply| match reply {
            Reply::Entered(entered) => entered.head = Seq::new(far),
            Reply::Page(page) => page.reaches = Seq::new(far),
            _ => {}
        });
        scene.relay.cut();
        scene.a_minute().await;
        scene.relay.honest();
        scene.relay.cut();
        scene.is_distrusted().await;
        scene.goes_on().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_log_without_progress_is_not_read_for_ever() {
    let mut scene = Scene::new().await;
    scene.relay.replies(|reply| {
        if let Reply::Page(page) = reply {
            page.items.clear();
            page.reaches = Seq::START;
            page.more = true;
        }
    });
    scene.relay.cut();
    scene.alice_says("unread");
    scene.is_distrusted().await;
    scene.goes_on().await;
    assert_eq!(scene.bob.kept()[0], "unread");
}

#[tokio::test(start_paused = true)]
async fn a_log_that_falls_short_of_its_end_is_not_read_for_ever() {
    let mut scene = Scene::new().await;
    scene.relay.replies(|reply| {
        if let Reply::Page(page) = reply {
            page.items.clear();
            page.reaches = Seq::START;
        }
    });
    scene.relay.cut();
    scene.alice_says("unread");
    scene.a_minute().await;
    scene.goes_on().await;
    assert_eq!(scene.bob.kept()[0], "unread");
}

#[tokio::test(start_paused = true)]
async fn a_withheld_message_is_noticed_at_the_senders_next() {
    let mut scene = Scene::new().await;
    let mut seq = None;
    scene.relay.down(move |mut frame| {
        match (told(&frame), &mut frame) {
            (Some(item), _) if seq.is_none() => {
                seq = Some(item.seq);
                return vec![];
            }
            // The relay hides the gap of the withheld entry: it decrements the sequence numbers
            // that follow.
            (Some(mut item), _) => {
                item.seq = Seq::new(item.seq.value() - 1);
                return vec![again(&frame, item)];
            }
            _ => {}
        }
        vec![frame]
    });
    scene.alice_says("withheld");
    scene.alice_says("next");
    let troubles = scene.troubles().await;
    let from = scene.alice.me();
    assert!(troubles.contains(&Trouble::Gap { from, count: 1 }), "{troubles:?}");
    assert_eq!(scene.bob.kept(), ["next"]);
    scene.goes_on().await;
}

#[tokio::test(start_paused = true)]
async fn a_message_not_told_is_read() {
    let mut scene = Scene::new().await;
    let mut withheld = false;
    scene.relay.down(move |frame| match told(&frame) {
        Some(_) if !std::mem::replace(&mut withheld, true) => vec![],
        _ => vec![frame],
    });
    scene.alice_says("not told");
    scene.alice_says("told");
    assert_eq!(scene.troubles().await, []);
    assert_eq!(scene.bob.kept(), ["not told", "told"]);
    scene.goes_on().await;
}

#[tokio::test(start_paused = true)]
async fn altered_messages_do_not_open() {
    let changes: [fn(&mut LogItem); 3] = [
        |item| item.entry.sealed = altered(&item.entry.sealed),
        |item| item.entry.retention = seconds(24 * 3_600),
        |item| item.entry.retention = seconds(7_200),
    ];
    for change in changes {
        let mut scene = Scene::new().await;
        scene.relay.entries(change);
        scene.alice_says("altered");
        let troubles = scene.troubles().await;
        assert!(matches!(troubles[..], [Trouble::Unreadable { .. }, ..]), "{troubles:?}");
        assert!(scene.bob.kept().is_empty());
        scene.goes_on().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_message_passed_off_as_a_membership_change_breaks_nothing_for_good() {
    for kind in [EntryKind::Commit, EntryKind::Join] {
        let mut scene = Scene::new().await;
        scene.relay.entries(move |item| item.entry.kind = kind);
        scene.alice_says("no commit");
        let troubles = scene.troubles().await;
        assert!(troubles.contains(&Trouble::Broken { by: None }), "{troubles:?}");
        scene.goes_on().await;
        assert_eq!(scene.bob.kept()[0], "no commit");
    }
}

#[tokio::test(start_paused = true)]
async fn an_altered_membership_change_is_read_again_when_the_relay_is_honest() {
    let mut scene = Scene::new().await;
    scene.relay.entries(|item| item.entry.sealed = altered(&item.entry.sealed));
    scene.alice.does(Command::Rename("Alicia".parse().unwrap()));
    let troubles = scene.troubles().await;
    assert_eq!(troubles, [Trouble::Broken { by: None }]);
    scene.goes_on().await;

    scene.relay.entries(|item| item.entry.sealed = altered(&item.entry.sealed));
    let carol = scene.stage.join(&scene.alice.invite(), "Carol").await;
    assert_eq!(scene.troubles().await, [Trouble::Broken { by: None }]);
    scene.goes_on().await;
    assert_eq!(scene.bob.room.view().members.len(), 3);
    drop(carol);
}

#[tokio::test(start_paused = true)]
async fn taking_back_what_was_valid_ends_the_room() {
    // A member's commit alone, or together with Bob's own join.
    for (back, epoch) in [(0, 1), (1, 0)] {
        let mut scene = Scene::new().await;
        scene.alice.does(Command::Rename("Alicia".parse::<Nickname>().unwrap()));
        let renamed = |event: &RoomEvent| matches!(event, RoomEvent::Renamed { .. }).then_some(());
        scene.bob.until(renamed).await;
        scene.alice.says("where are we?", seconds(60));
        let commit = scene.bob.hears("where are we?").await.seq.value() - 1;
        let seq = if back == 0 { Seq::new(commit) } else { Seq::new(1) };
        let (address, epoch) = (*scene.bob.invite().address(), Epoch::new(epoch));
        scene.relay.invent(&RelayFrame::Event(Event::Voided { address, seq, epoch }));
        scene.is_over(Ended::DishonestRelay).await;
    }
}

#[tokio::test(start_paused = true)]
async fn taking_back_what_never_was_changes_nothing() {
    for (seq, epoch) in [(u64::MAX, 0), (1_000, 1), (1, u64::MAX), (0, 1)] {
        let mut scene = Scene::new().await;
        let address = *scene.bob.invite().address();
        let (seq, epoch) = (Seq::new(seq), Epoch::new(epoch));
        scene.relay.invent(&RelayFrame::Event(Event::Voided { address, seq, epoch }));
        scene.a_minute().await;
        scene.goes_on().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_room_said_to_be_closed_is_over_and_no_other() {
    let mut scene = Scene::new().await;
    let address = *scene.bob.invite().address();
    let reason = CloseReason::Age;
    scene.relay.invent(&RelayFrame::Event(Event::Closed { address, reason }));
    scene.is_over(Ended::Closed(CloseReason::Age)).await;
}
