//! The interface of a room that the front ends use, so that tests can supply a scripted one.

use anocm_core::{
    Command, MessageId, RoomEvent, Timestamp,
    room::{CommandError, Message, RoomView},
};

/// A room as the front ends use it. The methods are those of
/// [`client::Room`](anocm_core::client::Room).
pub(crate) trait Room {
    async fn event(&mut self) -> Option<RoomEvent>;
    fn view(&self) -> RoomView;
    fn history(&self) -> Vec<Message>;
    fn command(&self, command: Command) -> Result<Option<MessageId>, CommandError>;
    fn wipe(&self);
    fn now(&self) -> Timestamp;
}

impl Room for anocm_core::client::Room {
    async fn event(&mut self) -> Option<RoomEvent> {
        Self::next_event(self).await
    }

    fn view(&self) -> RoomView {
        Self::view(self)
    }

    fn history(&self) -> Vec<Message> {
        Self::history(self)
    }

    fn command(&self, command: Command) -> Result<Option<MessageId>, CommandError> {
        Self::command(self, command)
    }

    fn wipe(&self) {
        Self::wipe(self);
    }

    fn now(&self) -> Timestamp {
        Self::now(self)
    }
}

#[cfg(test)]
pub(crate) mod script {
    //! A scripted room that plays events and records the commands it receives.

    use std::{collections::VecDeque, sync::Mutex};

    use super::*;

    /// Steps are processed in order: events are delivered, and a wait holds them back until this
    /// many commands have arrived.
    #[derive(Debug)]
    pub(crate) enum Step {
        Event(Box<RoomEvent>),
        AfterCommands(usize),
    }

    #[derive(Debug)]
    pub(crate) struct Scripted {
        steps: VecDeque<Step>,
        view: RoomView,
        pub(crate) asked: Mutex<Vec<Command>>,
        changed: tokio::sync::Notify,
        pub(crate) answer: Option<CommandError>,
        pub(crate) now: Timestamp,
    }

    impl Scripted {
        pub(crate) fn new(view: RoomView) -> Self {
            Self {
                steps: VecDeque::new(),
                view,
                asked: Mutex::default(),
                changed: tokio::sync::Notify::new(),
                answer: None,
                now: Timestamp::ZERO,
            }
        }

        pub(crate) fn then(mut self, event: RoomEvent) -> Self {
            self.steps.push_back(Step::Event(Box::new(event)));
            self
        }

        pub(crate) fn after_commands(mut self, count: usize) -> Self {
            self.steps.push_back(Step::AfterCommands(count));
            self
        }

        /// Returns how many steps are left.
        pub(crate) fn steps_left(&self) -> usize {
            self.steps.len()
        }

        pub(crate) fn asked(&self) -> Vec<Command> {
            self.asked.lock().unwrap().clone()
        }
    }

    impl Room for Scripted {
        async fn event(&mut self) -> Option<RoomEvent> {
            while let Some(Step::AfterCommands(count)) = self.steps.front() {
                if self.asked.lock().unwrap().len() >= *count {
                    self.steps.pop_front();
                } else {
                    self.changed.notified().await;
                }
            }
            match self.steps.pop_front()? {
                Step::Event(event) => Some(*event),
                Step::AfterCommands(_) => None,
            }
        }

        fn view(&self) -> RoomView {
            self.view.clone()
        }

        fn history(&self) -> Vec<Message> {
            Vec::new()
        }

        fn command(&self, command: Command) -> Result<Option<MessageId>, CommandError> {
            self.asked.lock().unwrap().push(command.clone());
            self.changed.notify_one();
            match (self.answer, command) {
                (Some(error), _) => Err(error),
                (None, Command::Send { .. } | Command::Whisper { .. }) => {
                    Ok(Some(MessageId::new([9; 16])))
                }
                (None, _) => Ok(None),
            }
        }

        fn wipe(&self) {}

        fn now(&self) -> Timestamp {
            self.now
        }
    }
}
