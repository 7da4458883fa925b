use super::{Named, named};
use crate::{
    sealed_entry::{Case, Harm, Subject},
    seed::Seed,
};

pub(super) fn files() -> Vec<Named> {
    let mut files = Vec::new();
    let mut add = |name: String, subject: &Subject, inside, original, harms: Vec<Harm>| {
        let original = u8::from(original);
        let case = Case { subject: subject.clone(), harms, inside, original };
        files.push(named(&name, &case.to_bytes()));
    };
    let seal = Subject::Seal { kind: 0, epoch: 7, retention: 60_000, length: 300 };
    let long = Subject::Seal { kind: 3, epoch: 7, retention: 0, length: 65_000 };
    add("seal_whole".to_owned(), &seal, false, false, Vec::new());
    add("seal_of_a_door_whole".to_owned(), &long, false, false, Vec::new());
    for (name, harm) in harms() {
        add(format!("seal_{name}"), &seal, false, false, vec![harm]);
    }
    let subjects = [
        ("message", Subject::Message),
        ("commit", Subject::Commit),
        ("join", Subject::Join),
        ("door", Subject::Door),
    ];
    for (of, subject) in subjects {
        add(format!("{of}_whole"), &subject, false, true, Vec::new());
        let tag = Harm::Flip { at: 999, bit: 0 };
        add(format!("{of}_with_another_tag"), &subject, false, true, vec![tag]);
        let place = vec![Harm::Epoch { to: 2 }, Harm::Retention { to: 61_000 }];
        add(format!("{of}_elsewhere"), &subject, false, false, place);
        for at in [4, 40, 100, 200] {
            let flip = vec![Harm::Flip { at, bit: 3 }];
            add(format!("{of}_forged_at_{at}"), &subject, true, false, flip);
        }
        add(format!("{of}_forged_short"), &subject, true, false, vec![Harm::Cut { length: 50 }]);
    }
    files
}

fn harms() -> Vec<(&'static str, Harm)> {
    vec![
        ("of_another_nonce", Harm::Flip { at: 0, bit: 0 }),
        ("of_another_length", Harm::Byte { at: 27, value: 1 }),
        ("of_another_tag", Harm::Flip { at: 999, bit: 7 }),
        ("cut", Harm::Cut { length: 999 }),
        ("with_more", Harm::Append { bytes: vec![0] }),
        ("shuffled", Harm::Copy { from: 100, to: 200, length: 50 }),
        ("resized", Harm::Resize { size: 1 }),
        ("of_another_kind", Harm::Kind { to: 1 }),
        ("of_another_epoch", Harm::Epoch { to: 8 }),
        ("of_another_retention", Harm::Retention { to: 0 }),
        ("of_another_room", Harm::Address { at: 15, bit: 7 }),
    ]
}
