//! The most verbose log of a whole conversation names no room, guest or message.
#![expect(clippy::unwrap_used, reason = "a test may fail")]

mod common;

use std::{
    io,
    sync::{Arc, Mutex},
};

use anocm_core::{Command, Retention};
use common::{Guest, Stage, seconds};

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[tokio::test(start_paused = true)]
async fn nothing_that_is_logged_names_a_room_a_member_a_token_or_a_word() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(move || writer.clone())
        .finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    tracing::info!("the log works");

    let stage = Stage::new();
    let [mut alice, mut bob, carol] =
        stage.with(&["Bobolink", "Carolina"]).await.try_into().unwrap();
    let invite = alice.invite();
    alice.says("unspeakable words", seconds(10));
    bob.hears("unspeakable words").await;
    bob.says("fleeting words", Retention::Live);
    alice.hears("fleeting words").await;
    let (hers, his) = (alice.me(), bob.me());
    alice.does(Command::Remove(carol.me()));
    bob.sees_members(2).await;
    let mut stranger = Guest::knocking(stage.reach(), &invite, "Stranger");
    stranger.ends().await;
    alice.does(Command::Close);
    bob.ends().await;
    stage.relay.shutdown(true).await;

    let bytes = log.0.lock().unwrap().clone();
    let text = String::from_utf8_lossy(&bytes).to_lowercase();
    assert!(text.contains("the log works"));
    let link = invite.to_link();
    let fragment = link.split_once('#').map(|(_, fragment)| fragment.to_lowercase()).unwrap();
    let listed = |bytes: &[u8]| bytes.iter().map(u8::to_string).collect::<Vec<_>>().join(", ");
    let mut forbidden = vec![fragment];
    for bytes in [
        &invite.address().as_bytes()[..],
        invite.secret().expose(),
        hers.as_bytes(),
        his.as_bytes(),
    ] {
        forbidden.push(hex(&bytes[..8]));
        forbidden.push(listed(&bytes[..8]));
    }
    forbidden.extend(["words", "alice", "bobolink", "carolina", "stranger"].map(str::to_owned));
    for word in forbidden {
        assert!(!text.contains(&word), "the log contains {word:?}:\n{text}");
    }
}
