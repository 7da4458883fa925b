//! Real sealed entries and doors, modified.

use anocm_core::{
    Epoch, Lifetime, Nickname, Payload, Retention, RoomAddress, Secret, fuzz,
    session::{JoinError, Joiner, OpenError, Opened, Session},
    wire::{Door, Entry, EntryKind},
};

use crate::{
    marks::reached,
    seed::{Seed, seeded},
    world::{ADDRESS, After, World, with_scene},
};

seeded! {
    /// The item that is opened, and the modifications before that.
    struct Case {
        subject: Subject,
        harms: Vec<Harm>,
        /// Whether a member makes the modification, behind the seal.
        inside: bool,
        /// One in sixteen: the unmodified item is opened afterwards, which requires a new world.
        original: u8,
    }
}

seeded! {
    enum Subject {
        Message,
        Commit,
        Join,
        Door,
        /// Only a seal, around `length` bytes.
        Seal { kind: u8, epoch: u64, retention: u32, length: u16 },
    }
}

seeded! {
    enum Harm {
        Flip { at: u32, bit: u8 },
        Byte { at: u32, value: u8 },
        Cut { length: u32 },
        Append { bytes: Vec<u8> },
        /// Copies some bytes to another position.
        Copy { from: u32, to: u32, length: u16 },
        /// Truncated or, with zeros, extended to one of the valid sizes.
        Resize { size: u8 },
        Kind { to: u8 },
        Epoch { to: u64 },
        Retention { to: u32 },
        Address { at: u8, bit: u8 },
    }
}

/// Opens the modified item. It does not open if any bound field was changed, the error says only
/// that, and the unmodified item opens as before.
pub fn sealed_entry(bytes: &[u8]) {
    let case = Case::read(bytes);
    match case.subject {
        Subject::Seal { kind, epoch, retention, length } => {
            let place = fuzz::Place {
                key: Secret::new([3; 32]),
                address: ADDRESS,
                epoch: Epoch::new(epoch),
                kind: kind_of(kind),
                retention: retention_of(retention),
            };
            check_seal(&place, length, &case.harms);
        }
        Subject::Door => check_door(&case),
        Subject::Message | Subject::Commit | Subject::Join => check_entry(&case),
    }
}

/// The bytes of an item, and the fields that they are bound to.
#[derive(Clone, PartialEq)]
struct Exhibit {
    address: RoomAddress,
    epoch: Epoch,
    kind: Option<EntryKind>,
    retention: Retention,
    bytes: Vec<u8>,
}

impl Exhibit {
    fn of(entry: &Entry) -> Self {
        let &Entry { epoch, kind, retention, ref sealed } = entry;
        Self { address: ADDRESS, epoch, kind: Some(kind), retention, bytes: sealed.to_vec() }
    }

    fn suffer(&mut self, harm: &Harm) {
        let place = |at: u32, length: usize| at as usize % length.max(1);
        let bytes = &mut self.bytes;
        match *harm {
            Harm::Flip { at, bit } => {
                let at = place(at, bytes.len());
                bytes.iter_mut().skip(at).take(1).for_each(|byte| *byte ^= 1 << (bit % 8));
            }
            Harm::Byte { at, value } => {
                let at = place(at, bytes.len());
                bytes.iter_mut().skip(at).take(1).for_each(|byte| *byte = value);
            }
            Harm::Cut { length } => bytes.truncate(place(length, bytes.len())),
            Harm::Append { bytes: ref more } => bytes.extend(more),
            Harm::Copy { from, to, length } => {
                let (from, to) = (place(from, bytes.len()), place(to, bytes.len()));
                let most = bytes.len() - from.max(to);
                bytes.copy_within(from..from + most.min(length.into()), to);
            }
            Harm::Resize { size } => {
                bytes.resize([1_000, 4_000, 16_000, 64_000][usize::from(size % 4)], 0);
            }
            Harm::Kind { to } => self.kind = kind_of(to),
            Harm::Epoch { to } => self.epoch = Epoch::new(to),
            Harm::Retention { to } => self.retention = retention_of(to),
            Harm::Address { at, bit } => {
                let mut address = *self.address.as_bytes();
                address[usize::from(at % 16)] ^= 1 << (bit % 8);
                self.address = RoomAddress::new(address);
            }
        }
    }

    fn after(&self, harms: &[Harm]) -> Self {
        let mut harmed = self.clone();
        harms.iter().for_each(|harm| harmed.suffer(harm));
        harmed
    }
}

fn kind_of(number: u8) -> Option<EntryKind> {
    let kinds = [EntryKind::Message, EntryKind::Commit, EntryKind::Join];
    kinds.get(usize::from(number % 4)).copied()
}

fn retention_of(millis: u32) -> Retention {
    let duration = std::time::Duration::from_millis(millis.into());
    Lifetime::new(duration).map_or(Retention::Live, Retention::For)
}

fn check_seal(place: &fuzz::Place, length: u16, harms: &[Harm]) {
    let content: Vec<u8> = (0..length).map(|n| n.to_le_bytes()[0]).collect();
    let Some(sealed) = place.seal(&[4; 24], &content) else {
        assert!(place.kind.is_some() && content.len() > 63_956, "it fits");
        return;
    };
    let &fuzz::Place { address, epoch, kind, retention, .. } = place;
    let whole = Exhibit { address, epoch, kind, retention, bytes: sealed.to_vec() };
    let harmed = whole.after(harms);
    let Exhibit { address, epoch, kind, retention, .. } = harmed;
    let here = fuzz::Place { key: place.key.clone(), address, epoch, kind, retention };
    let opened = here.open(&harmed.bytes);
    if harmed == whole {
        reached("whole seal");
        assert_eq!(opened.as_deref(), Some(&content));
    } else {
        reached("broken seal");
        assert_eq!(opened, None);
    }
}

fn check_entry(case: &Case) {
    let original = case.original % 16 == 1;
    with_scene(original, |world| {
        let entry = match case.subject {
            Subject::Commit => world.commit.clone(),
            Subject::Join => world.join.clone(),
            _ => world.message.clone(),
        };
        let harmed = if case.inside { inside(world, &entry, case) } else { outside(&entry, case) };
        if let Some(harmed) = harmed {
            let opened = world.bob.open(&harmed);
            world.is_spoilt |= case.inside;
            let error = match (case.inside, entry.kind) {
                (false, _) => matches!(opened, Err(OpenError::Decrypt)),
                (true, EntryKind::Message) => matches!(opened, Err(OpenError::RatchetSkipped)),
                (true, _) => matches!(opened, Err(OpenError::Rejected { .. })),
            };
            assert!(error, "{:?}, inside: {}: {opened:?}", entry.kind, case.inside);
            reached(if case.inside { "spoilt by a member" } else { "spoilt on its way" });
        }
        if !original || case.inside {
            return After::Keep;
        }
        match world.bob.open(&entry) {
            Ok(Opened::Message { sender, .. }) => {
                reached("message");
                assert_eq!(sender, world.alice);
            }
            Ok(Opened::Epoch(applied)) => {
                reached("commit or join");
                assert_eq!(applied.joined.is_some(), entry.kind == EntryKind::Join);
            }
            Err(error) => panic!("the original does not open: {error:?}"),
        }
        After::Drop
    });
}

/// Modifies an entry in transit between its author and Bob; `None` if the result is the same.
fn outside(entry: &Entry, case: &Case) -> Option<Entry> {
    let whole = Exhibit::of(entry);
    let harmed = whole.after(&case.harms);
    // The address is that of Bob's own room; an entry always has a kind.
    let (epoch, retention) = (harmed.epoch, harmed.retention);
    let kind = harmed.kind.unwrap_or(entry.kind);
    let harmed = Entry { kind, epoch, retention, sealed: Payload::from(harmed.bytes) };
    (harmed != *entry).then_some(harmed)
}

/// The entry with other MLS bytes in a valid seal; `None` if they are the same.
fn inside(world: &mut World, entry: &Entry, case: &Case) -> Option<Entry> {
    let World { bob, rng, .. } = world;
    let bytes = fuzz::unsealed(bob, entry).expect("Bob is in the epoch").to_vec();
    let whole = Exhibit { bytes, ..Exhibit::of(entry) };
    let harmed = whole.after(&case.harms);
    let is_same = harmed.bytes == whole.bytes;
    if is_same {
        return None;
    }
    fuzz::sealed(bob, entry.kind, entry.retention, &harmed.bytes, rng)
}

fn check_door(case: &Case) {
    with_scene(false, |world| {
        let Some(harmed) = harmed_door(world, case) else { return After::Keep };
        let World { bob, rng, door, secret, .. } = world;
        let is_whole = harmed == *door;
        let joined = Session::join(&harmed, secret, Joiner::New(Nickname::default()), rng);
        match joined.map_err(|error| error.why) {
            Ok(_) => {
                reached("whole door");
                assert!(is_whole, "a door opens that was harmed");
            }
            Err(JoinError::WrongLink) if !is_whole && !case.inside => reached("wrong link"),
            Err(JoinError::BadDoor) if !is_whole && case.inside => reached("bad door"),
            Err(error) => panic!("whole: {is_whole}, inside: {}: {error:?}", case.inside),
        }
        assert_eq!(bob.vouches_for(&harmed, rng), is_whole);
        After::Keep
    });
}

/// The door as the newcomer sees it; `None` for one that cannot be sealed.
fn harmed_door(world: &mut World, case: &Case) -> Option<Door> {
    let World { bob, rng, door, .. } = world;
    let &mut Door { address, epoch, ref group_info, policy } = door;
    let inside = fuzz::unsealed_door(bob, group_info).expect("Bob is in the epoch");
    let bytes = if case.inside { inside.to_vec() } else { group_info.to_vec() };
    let whole = Exhibit { address, epoch, kind: None, retention: Retention::Live, bytes };
    let harmed = whole.after(&case.harms);
    if !case.inside {
        let group_info = Payload::from(harmed.bytes);
        return Some(Door { address: harmed.address, epoch: harmed.epoch, group_info, policy });
    }
    if harmed.bytes == whole.bytes {
        return Some(door.clone());
    }
    let group_info = fuzz::sealed_door(bob, &harmed.bytes, rng)?;
    Some(Door { group_info, ..door.clone() })
}
