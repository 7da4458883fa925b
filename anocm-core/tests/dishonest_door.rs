//! A relay that lies about doors, epochs and the requests that it carried out.

mod common;

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use anocm_core::{
    Command, Epoch, NewRoom, Payload, RoomAddress, RoomEvent, Seq,
    room::{Confirmation, Ended, JoinFailure, Trouble},
    wire::{Door, Entered, Hello, Page, Posture, Refusal, RelayFrame, RelayHello, Reply, Request},
};
use common::{
    Guest, Stage,
    scene::{Scene, troubles},
    seconds,
    tamper::Tamper,
};

/// Bob, who joins Alice's room by a door that the relay shows modified.
async fn shown(change: impl FnMut(&mut Door) + Send + 'static) -> (Guest, Arc<Tamper>, Guest) {
    let stage = Stage::new();
    let alice = stage.open("Alice").await;
    let relay = Tamper::new(stage.reach());
    let mut change = change;
    relay.replies(move |reply| {
        if let Reply::Door(door) = reply {
            change(door);
        }
    });
    let bob = Guest::knocking(relay.clone(), &alice.invite(), "Bob");
    (bob, relay, alice)
}

#[tokio::test(start_paused = true)]
async fn a_changed_door_lets_no_guest_in() {
    let changes: [fn(&mut Door); 5] = [
        |door| {
            let mut bytes = door.group_info.to_vec();
            bytes[500] ^= 1;
            door.group_info = Payload::from(bytes);
        },
        |door| door.group_info = Payload::from(vec![]),
        |door| door.epoch = Epoch::new(7),
        |door| door.epoch = Epoch::new(u64::MAX),
        |door| door.address = RoomAddress::new([7; 16]),
    ];
    for change in changes {
        let (mut bob, relay, alice) = shown(change).await;
        assert_eq!(bob.ends().await, Ended::NotLetIn(JoinFailure::BadDoor));
        assert!(relay.sent() < 10);
        assert_eq!(alice.room.view().members.len(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn other_rules_than_the_rooms_let_no_guest_in() {
    let changes: [fn(&mut Door); 3] = [
        |door| door.policy.max_retention = seconds(7 * 24 * 3_600),
        |door| door.policy.handshakes = seconds(7 * 24 * 3_600),
        |door| door.policy.max_age += 1,
    ];
    for change in changes {
        let (mut bob, _relay, _alice) = shown(change).await;
        assert_eq!(bob.ends().await, Ended::DishonestRelay);
    }
}

#[tokio::test(start_paused = true)]
async fn an_old_door_is_tried_again_until_the_present_one_is_shown() {
    let old = Arc::new(Mutex::new((None, 0)));
    let seen = old.clone();
    let (mut bob, relay, mut alice) = shown(move |door| {
        let mut seen = seen.lock().unwrap();
        seen.1 += 1;
        if seen.0.is_none() {
            seen.0 = Some(door.clone());
        } else if seen.1 < 12 {
            *door = seen.0.clone().unwrap();
        }
    })
    .await;
    bob.entered().await;
    // Carol is shown the door that Bob joined by, about ten times.
    let mut carol = Guest::knocking(relay, &alice.invite(), "Carol");
    carol.entered().await;
    alice.sees_members(3).await;
    alice.says("all here", seconds(60));
    carol.hears("all here").await;
    assert!(old.lock().unwrap().1 >= 12);
}

#[tokio::test(start_paused = true)]
async fn a_guest_alone_behind_an_old_door_hears_no_member() {
    let stage = Stage::new();
    let mut alice = stage.open("Alice").await;
    let relay = Tamper::new(stage.reach());
    let old = Arc::new(Mutex::new(None::<Door>));
    let keep = old.clone();
    relay.replies(move |reply| {
        if let Reply::Door(door) = reply {
            keep.lock().unwrap().get_or_insert_with(|| door.clone());
        }
    });
    let mut bob = Guest::knocking(relay.clone(), &alice.invite(), "Bob");
    bob.entered().await;
    alice.sees_members(2).await;

    let door = old.lock().unwrap().clone().unwrap();
    let mut head = 0;
    relay.answers(move |request| {
        Some(Ok(match request {
            Request::Look { .. } => Reply::Door(door.clone()),
            Request::Enter { epoch, .. } => {
                let began = Seq::new(1);
                Reply::Entered(Entered { current: *epoch, began, head: Seq::new(head.max(1)) })
            }
            Request::Read { .. } => {
                let reaches = Seq::new(head.max(1));
                Reply::Page(Page { items: vec![], reaches, more: false })
            }
            Request::Join { .. } | Request::Publish { .. } => {
                head += 1;
                Reply::Accepted { seq: Seq::new(head) }
            }
            _ => Reply::Done,
        }))
    });
    let mut carol = Guest::knocking(relay.clone(), &alice.invite(), "Carol");
    carol.entered().await;
    carol.says("anybody?", seconds(3_600));
    let events = carol.meanwhile(Duration::from_secs(600)).await;
    let heard =
        |event: &RoomEvent| matches!(event, RoomEvent::Heard { .. } | RoomEvent::Confirmed { .. });
    assert!(!events.iter().any(heard));
    assert_eq!(carol.room.view().confirmation, Confirmation::Unheard);
    assert_ne!(carol.room.view().safety, alice.room.view().safety);
    assert!(relay.sent() < 300, "{}", relay.sent());
}

#[tokio::test(start_paused = true)]
async fn a_wrong_current_epoch_holds_up_for_a_while_only() {
    for current in [0, 2, u64::MAX] {
        let mut scene = Scene::new().await;
        scene.relay.replies(move |reply| {
            if let Reply::Entered(entered) = reply {
                entered.current = Epoch::new(current);
            }
        });
        scene.relay.cut();
        let _ = scene.a_minute().await;
        scene.goes_on().await;
    }
}

#[tokio::test(start_paused = true)]
async fn who_comes_back_is_not_led_through_a_door_older_than_their_stay() {
    let stage = Stage::new();
    let mut alice = stage.open("Alice").await;
    let relay = Tamper::new(stage.reach());
    let (old, late) = (Arc::new(Mutex::new(None::<Door>)), Arc::new(Mutex::new(false)));
    let (keep, is_late) = (old.clone(), late.clone());
    relay.replies(move |reply| {
        if let Reply::Door(door) = reply {
            let mut old = keep.lock().unwrap();
            let first = old.get_or_insert_with(|| door.clone());
            if *is_late.lock().unwrap() {
                *door = first.clone();
            }
        }
    });
    let mut bob = Guest::knocking(relay.clone(), &alice.invite(), "Bob");
    bob.entered().await;
    alice.sees_members(2).await;
    *late.lock().unwrap() = true;
    relay.answers(|request| {
        matches!(request, Request::Enter { .. }).then_some(Err(Refusal::NotAdmitted))
    });
    relay.cut();
    let before = relay.sent();
    let events = bob.meanwhile(Duration::from_secs(60)).await;
    assert!(troubles(&events).contains(&Trouble::DishonestRelay));
    assert!(relay.sent() - before < 300, "{}", relay.sent() - before);
    relay.honest();
    bob.meanwhile(Duration::from_secs(60)).await;
    alice.says("back?", seconds(3_600));
    bob.hears("back?").await;
}

#[tokio::test(start_paused = true)]
async fn a_message_accepted_and_dropped_is_sent_again() {
    for ahead in [0, 1, 7, u64::MAX] {
        let mut scene = Scene::new().await;
        let seq = Seq::new(ahead);
        scene.relay.answers(move |request| {
            matches!(request, Request::Publish { .. }).then_some(Ok(Reply::Accepted { seq }))
        });
        scene.bob.says("dropped?", seconds(3_600));
        scene.a_minute().await;
        scene.relay.honest();
        scene.alice.hears("dropped?").await;
        scene.goes_on().await;
    }
}

/// A reply that does not match `request`.
fn beside_the_point(request: &Request) -> Reply {
    match request {
        Request::Create { .. } | Request::Enter { .. } => Reply::Accepted { seq: Seq::new(1) },
        Request::Read { .. } | Request::Look { .. } => Reply::Done,
        _ => Reply::Page(Page { items: vec![], reaches: Seq::START, more: false }),
    }
}

#[tokio::test(start_paused = true)]
async fn replies_of_the_wrong_kind_keep_no_client_busy() {
    let mut scene = Scene::new().await;
    scene.relay.answers(|request| Some(Ok(beside_the_point(request))));
    scene.relay.cut();
    scene.bob.says("no answer", seconds(3_600));
    scene.is_distrusted().await;
    scene.relay.honest();
    scene.bob.hears("no answer").await;
    scene.relay.answers(|request| {
        matches!(request, Request::Publish { .. }).then(|| Ok(beside_the_point(request)))
    });
    scene.bob.says("no answer again", seconds(3_600));
    scene.a_minute().await;
    scene.relay.honest();
    scene.bob.hears("no answer again").await;
    scene.goes_on().await;
}

#[tokio::test(start_paused = true)]
async fn a_guest_at_the_door_gets_in_when_the_answers_are_right_again() {
    let stage = Stage::new();
    let relay = Tamper::new(stage.reach());
    relay.answers(|request| Some(Ok(beside_the_point(request))));
    let mut alice = Guest::opening(relay.clone(), "Alice", NewRoom::default());
    let events = alice.meanwhile(Duration::from_secs(60)).await;
    assert_eq!(troubles(&events), [Trouble::DishonestRelay]);
    assert!(relay.sent() < 300, "{}", relay.sent());
    relay.honest();
    alice.entered().await;

    relay.answers(|request| Some(Ok(beside_the_point(request))));
    let mut bob = Guest::knocking(relay.clone(), &alice.invite(), "Bob");
    let before = relay.sent();
    let events = bob.meanwhile(Duration::from_secs(60)).await;
    assert_eq!(troubles(&events), [Trouble::DishonestRelay]);
    assert!(relay.sent() - before < 300, "{}", relay.sent() - before);
    relay.honest();
    bob.entered().await;
}

#[tokio::test(start_paused = true)]
async fn endless_refusals_keep_no_client_busy() {
    let current = Epoch::new;
    for refusal in [
        Refusal::NotAdmitted,
        Refusal::Unavailable,
        Refusal::Busy { retry_after: 0 },
        Refusal::Busy { retry_after: u32::MAX },
        Refusal::StaleEpoch { current: current(0) },
        Refusal::StaleEpoch { current: current(1) },
        Refusal::StaleEpoch { current: current(9) },
        Refusal::Unlawful,
        Refusal::Full,
        Refusal::ReadOnly,
    ] {
        for which in 0..4 {
            let mut scene = Scene::new().await;
            scene.relay.answers(move |request| {
                let refused = match which {
                    0 => matches!(request, Request::Publish { .. }),
                    1 => matches!(request, Request::Enter { .. }),
                    2 => matches!(request, Request::Read { .. }),
                    _ => matches!(request, Request::Join { .. } | Request::Enter { .. }),
                };
                refused.then_some(Err(refusal))
            });
            scene.bob.says("refused?", seconds(3_600));
            if which > 0 {
                scene.relay.cut();
            }
            let events = scene.a_minute().await;
            let over = events.iter().any(|event| matches!(event, RoomEvent::Ended(_)));
            if over {
                scene.relay.honest();
            } else {
                scene.goes_on().await;
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_room_that_is_and_is_not_there_is_given_up() {
    for refusal in [Refusal::NoSuchRoom, Refusal::NotAdmitted] {
        let stage = Stage::new();
        let relay = Tamper::new(stage.reach());
        relay.answers(move |request| {
            Some(Err(match request {
                Request::Create { .. } => Refusal::AddressInUse,
                _ => refusal,
            }))
        });
        let mut alice = Guest::opening(relay.clone(), "Alice", NewRoom::default());
        let failure = JoinFailure::Refused(Refusal::AddressInUse);
        assert_eq!(alice.ends().await, Ended::NotLetIn(failure));
        assert!(relay.sent() < 300, "{}", relay.sent());
    }
}

#[tokio::test(start_paused = true)]
async fn a_removal_from_what_the_relay_calls_the_log_needs_a_member() {
    let mut scene = Scene::new().await;
    scene.relay.answers(|request| {
        matches!(request, Request::Enter { .. }).then_some(Err(Refusal::NotAdmitted))
    });
    scene.relay.cut();
    scene.a_minute().await;
    scene.goes_on().await;
    let epochs = scene.alice.room.view().epoch.value();
    assert!(epochs < 40, "{epochs} epochs for nothing");
    scene.alice.does(Command::Rename("Alicia".parse().unwrap()));
    scene.bob.until(|event| matches!(event, RoomEvent::Renamed { .. }).then_some(())).await;
}

#[tokio::test(start_paused = true)]
async fn what_is_no_frame_cuts_the_connection_and_nothing_else() {
    let mut scene = Scene::new().await;
    let mut huge = vec![0; 2_000_000];
    huge[0] = 1;
    for junk in [vec![], vec![0xff; 64], vec![0; 3], huge, vec![1, 9, 9, 9]] {
        scene.relay.invent_bytes(&junk);
        scene.a_minute().await;
        scene.goes_on().await;
    }
    for id in [0, 1, 77, u32::MAX] {
        let result = Ok(Reply::Done);
        scene.relay.invent(&RelayFrame::Reply { id, result });
    }
    assert_eq!(scene.troubles().await, []);
    scene.goes_on().await;
}

#[tokio::test(start_paused = true)]
async fn a_strange_greeting_is_no_relay() {
    let welcome = |version| RelayHello::Welcome { version, posture: Posture::Kept }.to_frame();
    let unsupported = RelayHello::Unsupported { oldest: 2, newest: 3 }.to_frame();
    for hello in [welcome(0), welcome(2), unsupported, Payload::from(vec![0xaa; 300])] {
        let mut scene = Scene::new().await;
        scene.relay.greet(&hello);
        scene.relay.cut();
        scene.a_minute().await;
        scene.goes_on().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_relay_that_answers_nothing_is_not_waited_for_for_ever() {
    let mut scene = Scene::new().await;
    scene.relay.up(|_, _| false);
    scene.bob.says("no answer", seconds(3_600));
    scene.bob.meanwhile(Duration::from_secs(300)).await;
    scene.relay.honest();
    scene.alice.hears("no answer").await;
    scene.alice_says("here is one");
    scene.bob.hears("here is one").await;
}
