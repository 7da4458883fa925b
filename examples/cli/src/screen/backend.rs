//! The ratatui backend: buffers bytes for the terminal, which are written when it accepts them.

use std::io;

use ratatui::{
    backend::{Backend, ClearType, CrosstermBackend, WindowSize},
    buffer::Cell,
    layout::{Position, Size},
};

use crate::tty::Output;

/// The size assumed for a terminal that does not report one.
const USUAL: Size = Size { width: 80, height: 24 };

/// The terminal as a drawing backend: never blocks, starts no program to find out the size, and
/// sends no queries, whose responses would be mixed with the keys.
#[derive(Debug)]
pub(super) struct TtyBackend {
    pub(super) output: Output,
    cursor: Position,
}

impl TtyBackend {
    pub(super) const fn new(output: Output) -> Self {
        Self { output, cursor: Position::ORIGIN }
    }

    /// Stateless, so that a new one can be created for each sequence.
    const fn orders(&mut self) -> CrosstermBackend<&mut Output> {
        CrosstermBackend::new(&mut self.output)
    }
}

impl Backend for TtyBackend {
    type Error = io::Error;

    fn draw<'a, I>(&mut self, content: I) -> io::Result<()>
    where
        I: Iterator<Item = (u16, u16, &'a Cell)>,
    {
        self.orders().draw(content)
    }

    fn append_lines(&mut self, count: u16) -> io::Result<()> {
        self.orders().append_lines(count)
    }

    fn hide_cursor(&mut self) -> io::Result<()> {
        self.orders().hide_cursor()
    }

    fn show_cursor(&mut self) -> io::Result<()> {
        self.orders().show_cursor()
    }

    fn get_cursor_position(&mut self) -> io::Result<Position> {
        Ok(self.cursor)
    }

    fn set_cursor_position<P: Into<Position>>(&mut self, position: P) -> io::Result<()> {
        self.cursor = position.into();
        let cursor = self.cursor;
        self.orders().set_cursor_position(cursor)
    }

    fn clear(&mut self) -> io::Result<()> {
        self.orders().clear()
    }

    fn clear_region(&mut self, region: ClearType) -> io::Result<()> {
        self.orders().clear_region(region)
    }

    fn size(&self) -> io::Result<Size> {
        Ok(self.output.size().map_or(USUAL, |(width, height)| Size { width, height }))
    }

    fn window_size(&mut self) -> io::Result<WindowSize> {
        Ok(WindowSize { columns_rows: self.size()?, pixels: Size::ZERO })
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
