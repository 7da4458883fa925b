use super::*;

#[test]
fn alice_and_bob_talk() {
    let (mut room, mut alice, mut bob) = Room::of_two();
    agree(&alice, &bob);
    assert_eq!(names(&alice), ["Alice", "Bob"]);
    for _ in 0..3 {
        room.heard(&mut alice, &mut bob);
        room.heard(&mut bob, &mut alice);
    }
}

#[test]
fn a_session_can_be_sent_to_another_thread() {
    fn sendable<T: Send + Sync>() {}
    sendable::<Session>();
    sendable::<Identity>();
}

#[test]
fn bob_joins_while_no_member_is_connected() {
    let (mut room, mut alice) = Room::open();
    let before = room.door.clone();
    let who = Joiner::New(name("Bob"));
    let (mut bob, outgoing) = Session::join(&before, &secret(), who, &mut room.rng).unwrap();
    let join = outgoing.entry.clone();
    room.append(outgoing, &mut []);
    room.admits(&bob);
    let hello = room.seal(&mut bob, text("anyone?"));
    // Alice reconnects later and opens the log in order.
    let applied = applied(alice.open(&join).unwrap());
    assert_eq!(applied.by, bob.me());
    assert_eq!(applied.joined.as_ref(), bob.member(bob.me()));
    assert!(!applied.again && !applied.removed_me);
    assert_eq!(message(alice.open(&hello).unwrap()).1, text("anyone?"));
    agree(&alice, &bob);
}

#[test]
fn six_members_hold_the_same_and_hear_each_other() {
    let (mut room, alice) = Room::open();
    let mut sessions = vec![alice];
    for who in ["Bob", "Carol", "Dave", "Erin", "Frank"] {
        let mut others: Vec<_> = sessions.iter_mut().collect();
        let newcomer = room.join(who, &mut others);
        sessions.push(newcomer);
    }
    for speaker in 0..6 {
        let entry = room.seal(&mut sessions[speaker], text("hello"));
        for listener in (0..6).filter(|listener| *listener != speaker) {
            let (sender, content) = message(sessions[listener].open(&entry).unwrap());
            assert_eq!(sender, sessions[speaker].me());
            assert_eq!(content, text("hello"));
            agree(&sessions[0], &sessions[listener]);
        }
    }
    // The safety code belongs to the epoch, not to the room.
    let code = sessions[0].safety_code().unwrap().clone();
    let (alice, others) = sessions.split_first_mut().unwrap();
    let mut others: Vec<_> = others.iter_mut().collect();
    room.change(alice, Change::Refresh, &mut others);
    assert_ne!(*alice.safety_code().unwrap(), code);
}

#[test]
fn every_kind_of_content_arrives() {
    let (mut room, mut alice, mut bob) = Room::of_two();
    let custom = Content::Custom { kind: 12, body: b"anything".to_vec().into() };
    for content in [text("hello"), Content::Typing, Content::Here, Content::Away, custom] {
        let entry = room.seal(&mut alice, content.clone());
        assert_eq!(entry.sealed.len(), 1_000);
        assert_eq!(message(bob.open(&entry).unwrap()).1, content);
    }
}

#[test]
fn text_takes_the_smallest_size_that_holds_it() {
    let (mut room, mut alice, mut bob) = Room::of_two();
    let mut size = |bytes: usize| {
        // The largest counter takes the most bytes.
        let mut envelope = room.envelope(text(&"x".repeat(bytes)));
        envelope.counter = u64::MAX;
        let entry = alice.seal(&envelope, kept(60), &mut room.rng)?;
        let opened = message(bob.open(&entry).unwrap());
        assert_eq!(opened.1, envelope.content);
        Ok(entry.sealed.len())
    };
    for (bytes, sealed) in content::BODY_SIZES.into_iter().zip(crate::wire::SEALED_SIZES) {
        assert_eq!(size(bytes), Ok(sealed));
    }
    for (bytes, sealed) in content::BODY_SIZES.into_iter().zip([4_000, 16_000, 64_000]) {
        assert_eq!(size(bytes + 1), Ok(sealed));
    }
    assert_eq!(size(15_000), Ok(16_000));
    let too_long = SessionError::TooLong { limit: MAX_CONTENT };
    assert_eq!(size(MAX_CONTENT + 1), Err(too_long));
}

#[test]
fn a_message_is_kept_no_longer_than_the_room_allows() {
    let (mut room, mut alice, _) = Room::of_two();
    let envelope = room.envelope(text("hello"));
    let day = alice.settings().retention.max();
    assert!(alice.seal(&envelope, day, &mut room.rng).is_ok());
    assert_eq!(
        alice.seal(&envelope, kept(24 * 3_600 + 1), &mut room.rng),
        Err(SessionError::NotAllowed)
    );
}

#[test]
fn a_whisper_is_read_by_its_recipient_only() {
    let (mut room, mut alice, mut bob, mut carol) = Room::of_three();
    let whisper = alice.whisper(bob.me(), &text("psst"), &mut room.rng).unwrap();
    let entry = room.seal(&mut alice, whisper);
    assert_eq!(entry.sealed.len(), 1_000);
    let read = |session: &mut Session| {
        let (sender, content) = message(session.open(&entry).unwrap());
        let Content::Whisper(whisper) = content else {
            panic!("a whisper was expected");
        };
        session.read_whisper(sender, &whisper)
    };
    assert_eq!(read(&mut bob), Some(text("psst")));
    assert_eq!(read(&mut carol), None);
}

#[test]
fn a_whisper_of_fifteen_thousand_bytes_fits_sixteen_thousand() {
    let (mut room, mut alice, bob) = Room::of_two();
    let long = text(&"x".repeat(15_000));
    let whisper = alice.whisper(bob.me(), &long, &mut room.rng).unwrap();
    assert_eq!(room.seal(&mut alice, whisper).sealed.len(), 16_000);
    let longest = text(&"x".repeat(MAX_WHISPER));
    let whisper = alice.whisper(bob.me(), &longest, &mut room.rng).unwrap();
    assert_eq!(room.seal(&mut alice, whisper).sealed.len(), 64_000);
}

#[test]
fn one_whispers_to_another_member_of_the_room() {
    let (mut room, alice, _) = Room::of_two();
    let stranger = crate::MemberId::new([9; 16]);
    let mut whisper = |to| alice.whisper(to, &text("psst"), &mut room.rng);
    assert_eq!(whisper(stranger), Err(SessionError::NoSuchMember));
    assert_eq!(whisper(alice.me()), Err(SessionError::NotAllowed));
}

#[test]
fn a_new_name_is_known_to_everyone() {
    let (mut room, mut alice, mut bob) = Room::of_two();
    let applied = room.change(&mut bob, Change::Rename(name("Bobby")), &mut [&mut alice]);
    let (member, before) = applied.renamed.unwrap();
    assert_eq!((member.nickname, before), (name("Bobby"), name("Bob")));
    assert_eq!(names(&alice), ["Alice", "Bobby"]);
    room.heard(&mut alice, &mut bob);
    room.heard(&mut bob, &mut alice);
    // The whisper key does not change.
    let whisper = alice.whisper(bob.me(), &text("psst"), &mut room.rng).unwrap();
    let Content::Whisper(whisper) = whisper else {
        panic!("a whisper was expected");
    };
    assert_eq!(bob.read_whisper(alice.me(), &whisper), Some(text("psst")));
}

#[test]
fn names_that_look_alike_are_marked() {
    let (mut room, mut alice, mut bob) = Room::of_two();
    assert!(alice.members().iter().all(|member| !member.look_alike));
    // Cyrillic а, and Latin letters otherwise.
    room.change(&mut bob, Change::Rename(name("\u{430}lice")), &mut [&mut alice]);
    assert!(alice.members().iter().all(|member| member.look_alike));
    room.change(&mut bob, Change::Rename(name("Bob")), &mut [&mut alice]);
    assert!(alice.members().iter().all(|member| !member.look_alike));
}

#[test]
fn nothing_of_a_session_prints() {
    let (_, alice, bob) = Room::of_two();
    assert_eq!(format!("{alice:?}"), "Session { epoch: Epoch(1), .. }");
    assert_eq!(format!("{:?}", bob.into_identity()), "Identity(..)");
}
