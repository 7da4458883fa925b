//! A simulated guest: records every event.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::mpsc;

use crate::{
    client::{Client, Room},
    id::{Epoch, MemberId, MessageId, Seq},
    retention::Retention,
    room::{Command, Connection, Ended, Message, RoomEvent, RoomView, SendFailure, Trouble},
    time::Timestamp,
};

/// A message as it was displayed to a guest.
#[derive(Clone, Debug)]
pub(super) struct Shown {
    pub(super) id: MessageId,
    pub(super) seq: Seq,
    pub(super) from: MemberId,
    pub(super) text: String,
    pub(super) whispered: bool,
    pub(super) own: bool,
    pub(super) at: Timestamp,
    pub(super) expires: Option<Timestamp>,
}

/// A message that a guest submitted.
#[derive(Clone, Debug)]
pub(super) struct SentText {
    pub(super) id: MessageId,
    pub(super) text: String,
    pub(super) retention: Retention,
    pub(super) to: Option<MemberId>,
    pub(super) at: Timestamp,
}

/// Safety code and roster of an epoch, as a guest saw them.
pub(super) type Seen = (String, Vec<(MemberId, String, String)>);

/// Everything that a guest recorded.
#[derive(Debug, Default)]
pub(super) struct Notes {
    pub(super) entered: Option<Timestamp>,
    pub(super) ended: Option<Ended>,
    pub(super) online: bool,
    pub(super) shown: Vec<Shown>,
    pub(super) expired: Vec<(MessageId, Timestamp)>,
    pub(super) submitted: Vec<SentText>,
    pub(super) not_sent: Vec<(MessageId, SendFailure)>,
    pub(super) epochs: BTreeMap<Epoch, Seen>,
    pub(super) troubles: Vec<Trouble>,
    pub(super) rejoined: bool,
    pub(super) me: Option<MemberId>,
}

/// A command, and the text that is displayed to guests afterwards.
type Order = (Command, Option<String>);

/// A guest, driven by its own task.
pub(super) struct Guest {
    notes: Arc<Mutex<Notes>>,
    orders: mpsc::UnboundedSender<Order>,
    view: Arc<Mutex<RoomView>>,
    // The driver runs as long as this is alive.
    _client: Client,
}

impl Guest {
    pub(super) fn new(client: Client, room: Room) -> Self {
        let notes = Arc::new(Mutex::new(Notes::default()));
        let view = Arc::new(Mutex::new(room.view()));
        let (orders, taken) = mpsc::unbounded_channel();
        tokio::spawn(attend(room, taken, notes.clone(), view.clone()));
        Self { notes, orders, view, _client: client }
    }

    pub(super) fn notes(&self) -> MutexGuard<'_, Notes> {
        lock(&self.notes)
    }

    pub(super) fn view(&self) -> RoomView {
        lock(&self.view).clone()
    }

    pub(super) fn is_inside(&self) -> bool {
        let notes = self.notes();
        notes.entered.is_some() && notes.ended.is_none()
    }

    /// Submits a command; `text` is the text that is displayed to guests afterwards.
    pub(super) fn command(&self, command: Command, text: Option<String>) {
        let _ = self.orders.send((command, text));
    }
}

/// Records events and executes commands until the room ends.
async fn attend(
    mut room: Room,
    mut orders: mpsc::UnboundedReceiver<Order>,
    notes: Arc<Mutex<Notes>>,
    view: Arc<Mutex<RoomView>>,
) {
    loop {
        tokio::select! {
            biased;
            event = room.next_event() => {
                let Some(event) = event else { return };
                let (seen, now) = (room.view(), room.now());
                lock(&notes).take_down(event, &seen, now);
                *lock(&view) = seen;
            }
            Some((command, text)) = orders.recv() => order(&room, &notes, command, text),
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn order(room: &Room, notes: &Mutex<Notes>, command: Command, text: Option<String>) {
    let to = if let Command::Whisper { to, .. } = &command { Some(*to) } else { None };
    let retention = match &command {
        Command::Send { retention, .. } | Command::Whisper { retention, .. } => *retention,
        _ => None,
    };
    // A command may be too late: its target has left, or the guest was removed. That is no
    // violation.
    if let (Ok(Some(id)), Some(text)) = (room.command(command), text) {
        let retention = retention.unwrap_or(room.view().retention.default_retention());
        lock(notes).submitted.push(SentText { id, text, retention, to, at: room.now() });
    }
}

impl Notes {
    fn take_down(&mut self, event: RoomEvent, view: &RoomView, now: Timestamp) {
        if let (Some(safety), true) = (&view.safety, view.me.is_some()) {
            let roster = view.members.iter().map(|member| {
                (member.id, member.nickname.as_str().to_owned(), format!("{:?}", member.role))
            });
            self.epochs.insert(view.epoch, (safety.words().join(" "), roster.collect()));
        }
        self.me = self.me.or(view.me);
        match event {
            RoomEvent::Entered => self.entered = Some(now),
            RoomEvent::Ended(ended) => self.ended = Some(ended),
            RoomEvent::Connection(connection) => self.online = connection == Connection::Online,
            RoomEvent::Message(message) => self.shown.push(shown(&message, now)),
            RoomEvent::Expired { id } => self.expired.push((id, now)),
            RoomEvent::NotSent { id, why } => self.not_sent.push((id, why)),
            RoomEvent::Trouble(Trouble::Rejoined) => self.rejoined = true,
            RoomEvent::Trouble(trouble) => self.troubles.push(trouble),
            _ => {}
        }
    }
}

fn shown(message: &Message, at: Timestamp) -> Shown {
    Shown {
        id: message.id,
        seq: message.seq,
        from: message.from.id,
        text: message.text.as_str().to_owned(),
        whispered: message.whispered_to.is_some(),
        own: message.own,
        at,
        expires: message.expires,
    }
}
