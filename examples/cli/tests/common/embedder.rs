//! A program that embeds the library, hardened as the programs are: a guest in any number of rooms
//! over one connection.

use std::{
    collections::BTreeMap,
    io::{BufReader, Write as _},
    process::{Child, Stdio},
    sync::{Arc, mpsc::Receiver},
    time::Instant,
};

use anocm_core::{
    Command, Invite, RoomEvent,
    client::{Client, Room},
};
use anocm_guard::testing::occurrences;
use anocm_ws::client::{WsOptions, WsTransport};
use futures_util::future::select_all;

use super::{
    PATIENCE,
    secrets::{self, Markers, Told, disguised, undisguised},
};

/// The test that is also the program: a file that uses an embedder has this test.
const TEST: &str = "the_embedder_starts_and_ends";
/// Marks this process as the program.
const EMBEDDER: &str = "ANOCM_TEST_EMBEDDER";

/// Whether this process is the program, which has finished then.
pub(crate) fn was_embedder() -> bool {
    let is_embedder = std::env::var_os(EMBEDDER).is_some();
    if is_embedder {
        run();
    }
    is_embedder
}

/// Returns a message of the guest, assembled at run time only.
pub(crate) fn words(number: u32) -> String {
    format!("{number} is what this is about, says the guest {number}")
}

/// The program. Executes orders line by line and reports events, until there are no more orders.
fn run() {
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = runtime.worker_threads(2).enable_all().build().unwrap();
    let _ = anocm_guard::harden();
    runtime.block_on(async {
        let (to, mut orders) = tokio::sync::mpsc::channel(1);
        std::thread::spawn(move || {
            std::io::stdin()
                .lines()
                .map_while(Result::ok)
                .try_for_each(|line| to.blocking_send(line))
        });
        let mut guest = Guest::default();
        loop {
            tokio::select! {
                event = next(&mut guest.rooms) => tell(&event),
                order = orders.recv() => match order {
                    Some(order) => guest.obey(&order),
                    None => break,
                },
            }
        }
    });
}

/// Returns the next event of any of the rooms.
async fn next(rooms: &mut [Room]) -> RoomEvent {
    let events = rooms.iter_mut().map(|room| {
        Box::pin(async {
            match room.next_event().await {
                Some(event) => event,
                // The room has ended.
                None => std::future::pending().await,
            }
        })
    });
    match events.len() {
        0 => std::future::pending().await,
        _ => select_all(events).await.0,
    }
}

fn tell(event: &RoomEvent) {
    match event {
        RoomEvent::Entered => println!("entered"),
        RoomEvent::Message(_) => println!("message"),
        RoomEvent::EpochBegan { .. } => println!("epoch"),
        RoomEvent::Ended(_) => println!("ended"),
        _ => {}
    }
}

#[derive(Default)]
struct Guest {
    client: Option<Client>,
    rooms: Vec<Room>,
}

impl Guest {
    fn obey(&mut self, order: &str) {
        let (what, rest) = order.split_once(' ').unwrap_or((order, ""));
        let said = || words(rest.parse().unwrap());
        match what {
            "tell" => secrets::tell(),
            "enter" => self.enter(rest),
            "say" => self.command(|_| Command::Send { text: said(), retention: None }),
            "whisper" => self.command(|room| {
                let view = room.view();
                let to = view.members.iter().find(|member| Some(member.id) != view.me).unwrap().id;
                Command::Whisper { to, text: said(), retention: None }
            }),
            "leave" => self.command(|_| Command::Leave),
            "count" => {
                let kept: usize = self.rooms.iter().map(|room| room.history().len()).sum();
                println!("kept {kept}");
            }
            "wipe" => {
                let since = Instant::now();
                self.rooms.iter().for_each(Room::wipe);
                println!("wiped {}", since.elapsed().as_micros());
            }
            other => panic!("no such order: {other}"),
        }
    }

    fn enter(&mut self, link_and_name: &str) {
        let (link, name) = link_and_name.split_once(' ').unwrap();
        let (link, name) = (undisguised(link), undisguised(name));
        let invite = Invite::parse(std::str::from_utf8(&link).unwrap()).unwrap();
        let client = self.client.get_or_insert_with(|| client(&invite));
        let name = std::str::from_utf8(&name).unwrap().parse().unwrap();
        self.rooms.push(client.join(&invite, name).unwrap());
    }

    fn command(&self, command: impl Fn(&Room) -> Command) {
        for room in &self.rooms {
            room.command(command(room)).unwrap();
        }
    }
}

/// Starts a client of the relay of an invite.
fn client(invite: &Invite) -> Client {
    let transport = Arc::new(WsTransport::new(invite.relay(), WsOptions::default()).unwrap());
    let (client, driver) = Client::new(transport);
    tokio::spawn(driver);
    client
}

/// The program, as the tests see it. Ended with the test that started it.
pub(crate) struct Embedder {
    child: Child,
    lines: Receiver<String>,
    told: Told,
}

impl Embedder {
    /// Starts the program, which is in no room yet.
    pub(crate) fn start() -> Self {
        let mut child = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", TEST, "--nocapture"])
            .env(EMBEDDER, "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (told, lines) = Told::by(BufReader::new(child.stdout.take().unwrap()));
        Self { child, lines, told }
    }

    /// Has it enter a room.
    pub(crate) fn enter(&mut self, link: &str, name: &str) {
        let (link, name) = (disguised(link.as_bytes()), disguised(name.as_bytes()));
        self.order(&format!("enter {link} {name}"));
        self.wait("entered");
    }

    /// Sends it an order.
    pub(crate) fn order(&mut self, order: &str) {
        writeln!(self.child.stdin.as_mut().unwrap(), "{order}").unwrap();
    }

    /// Ends the orders: the program drops everything and ends.
    pub(crate) fn close(&mut self) {
        drop(self.child.stdin.take());
    }

    /// Returns the rest of the next line that begins with `start`.
    pub(crate) fn wait(&self, start: &str) -> String {
        loop {
            let line = self.lines.recv_timeout(PATIENCE).unwrap();
            if let Some(rest) = line.strip_prefix(start) {
                return rest.trim_start().to_owned();
            }
        }
    }

    /// Waits until it has received this many messages.
    pub(crate) fn hear(&self, messages: usize) {
        (0..messages).for_each(|_| drop(self.wait("message")));
    }

    /// Returns how many messages it keeps.
    pub(crate) fn kept(&mut self) -> usize {
        self.order("count");
        self.wait("kept").parse().unwrap()
    }

    /// Has it wipe all rooms and end. Meant to be timed.
    pub(crate) fn wipe(&mut self) {
        self.order("wipe");
        self.close();
    }

    /// Returns its process id.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Whether it is still running.
    pub(crate) fn lives(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Waits for its end.
    pub(crate) fn end(&mut self) {
        assert!(self.child.wait().unwrap().success());
    }

    /// Returns the byte strings to look for: the secrets that it reported, and `known`.
    pub(crate) fn looked_for(&self, known: &[(&str, String)]) -> Markers {
        let mut markers = self.told.markers();
        for (what, text) in known {
            markers.entry((*what).to_owned()).or_default().push(text.as_bytes().to_vec());
        }
        markers
    }

    /// Returns where its memory contains them.
    pub(crate) fn holds(&self, markers: &Markers) -> BTreeMap<String, Vec<(String, usize)>> {
        let places = |markers| occurrences(self.pid(), markers).unwrap();
        markers.iter().map(|(what, markers)| (what.clone(), places(markers))).collect()
    }
}

impl Drop for Embedder {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
