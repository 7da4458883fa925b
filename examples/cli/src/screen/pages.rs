//! Pages shown instead of the conversation, above the input line, which stays active.

use anocm_core::room::RoomView;
use ratatui::text::{Line, Span};

use super::{head, state::State, wrap::wrap};
use crate::{act::Page, commands::HELP, text::confirmation};

/// Returns the rows of a page that fill a space of this size. Records the next page and the maximum
/// scroll position.
pub(super) fn rows(
    page: Page,
    state: &mut State,
    view: &RoomView,
    width: usize,
    height: usize,
) -> Vec<Line<'static>> {
    let mut next = None;
    let rows = match page {
        Page::Help => help(width),
        Page::Link => {
            let (rows, more) = link(state, view, width, height);
            next = more;
            rows
        }
        Page::Code => code(state, view, width, height).unwrap_or_default(),
        Page::Members => head::members(state, view, width),
        Page::Safety => safety(state, view, width),
    };
    state.next_page = next;
    state.page_last = rows.len().saturating_sub(height);
    state.page_top = state.page_top.min(state.page_last);
    rows.into_iter().skip(state.page_top).take(height).collect()
}

/// Returns how to continue from a page. Shown in the input line while that is empty.
pub(super) const fn hint(state: &State) -> &'static str {
    match state.next_page {
        Some(_) => "Esc shows it as a QR code",
        None if state.page_last > 0 => "Esc goes back, PgDn shows more",
        None => "Esc goes back",
    }
}

fn text(text: &str, width: usize) -> Vec<Line<'static>> {
    wrap(text, width, width).into_iter().map(Line::raw).collect()
}

fn help(width: usize) -> Vec<Line<'static>> {
    let keys = [
        ("Alt-Enter", "a new line in a message"),
        ("Esc", "back from a page; Enter does it too while nothing is typed"),
        ("PgUp PgDn", "look back, and forth again"),
        ("Ctrl-C", "leave the room; again: without waiting"),
        ("Ctrl-X", "forget everything at once, clear the terminal, stop"),
    ];
    HELP.iter()
        .chain(&keys)
        .flat_map(|(usage, what)| text(&format!("{usage:<22}{what}"), width))
        .collect()
}

fn link(
    state: &State,
    view: &RoomView,
    width: usize,
    height: usize,
) -> (Vec<Line<'static>>, Option<Page>) {
    let Some(invite) = &view.invite else {
        return (text("there is no link yet", width), None);
    };
    let mut rows = text("Whoever has this link can come in; 'anocm join' asks for it:", width);
    rows.extend(full_rows(&invite.to_link(), width));
    match code(state, view, width, height) {
        None if state.qr && !state.look.ascii => {
            rows.extend(text("(a larger window would show it as a QR code, too)", width));
            (rows, None)
        }
        Some(code) if rows.len() + code.len() > height => (rows, Some(Page::Code)),
        code => {
            rows.extend(code.unwrap_or_default());
            (rows, None)
        }
    }
}

/// Breaks text only at the window's edge, so that it can be selected as one.
fn full_rows(text: &str, width: usize) -> Vec<Line<'static>> {
    let chars: Vec<char> = text.chars().collect();
    chars.chunks(width.max(1)).map(|row| Line::raw(row.iter().collect::<String>())).collect()
}

/// Returns the link as a QR code, if it fits.
fn code(state: &State, view: &RoomView, width: usize, height: usize) -> Option<Vec<Line<'static>>> {
    let code = view.invite.as_ref()?.qr().ok().filter(|_| state.qr && !state.look.ascii)?;
    let mut lines: Vec<_> = code.lines().collect();
    // Half of the margin is sufficient, if only that fits.
    if lines.len() > height && lines.len() <= height + 2 {
        lines.pop();
        lines.remove(0);
    }
    let columns = lines.first()?.chars().count();
    let style = state.look.code();
    let row = |line: &str| Line::from(Span::styled(line.to_owned(), style));
    (columns <= width && lines.len() <= height).then(|| lines.into_iter().map(row).collect())
}

fn safety(state: &State, view: &RoomView, width: usize) -> Vec<Line<'static>> {
    let Some(code) = &view.safety else {
        return text("there is nothing to compare yet", width);
    };
    let mut rows = text(
        "Compare the twelve words with the others, by voice or side by side. If they are the same \
         for all of you, nobody listens in between:",
        width,
    );
    rows.push(Line::raw(""));
    let (first, second) = code.words().split_at(6);
    rows.extend([first, second].into_iter().flat_map(|words| text(&words.join(" "), width)));
    rows.push(Line::raw(""));
    if !state.look.ascii {
        rows.extend(text(&code.emoji().join("  "), width));
        rows.extend(text(
            "The emoji show at a glance that it is another; they prove nothing.",
            width,
        ));
        rows.push(Line::raw(""));
    }
    rows.extend(text("It changes whenever a member comes, goes or takes another name.", width));
    rows.push(Line::raw(""));
    rows.extend(text(&confirmation(view), width));
    rows
}
