//! Members by name and tag: how they are shown, and how a guest refers to them.

use anocm_core::{
    MemberId,
    name::clean_text,
    room::{Member, Role, RoomView},
};

/// Returns a member's label, as shown everywhere: `Bob #7K2Q`. A name alone is never sufficient.
pub(crate) fn label(member: &Member) -> String {
    format!("{} #{}", one_line(member.nickname.as_str()), member.tag)
}

/// Returns the label of the member with this id, or a placeholder if the member has left.
pub(crate) fn label_of(view: &RoomView, id: MemberId) -> String {
    find(view, id).map_or_else(|| "somebody who is gone".to_owned(), label)
}

/// Returns the member with this id.
pub(crate) fn find(view: &RoomView, id: MemberId) -> Option<&Member> {
    view.members.iter().find(|member| member.id == id)
}

/// Returns the name of a role.
pub(crate) const fn role(role: Role) -> &'static str {
    match role {
        Role::Owner => "owner",
        Role::Moderator => "moderator",
        Role::Member => "member",
    }
}

/// Converts text to one line of a screen: cleaned, with line breaks made visible.
pub(crate) fn one_line(text: &str) -> String {
    clean_text(text)
        .chars()
        .map(|c| match c {
            '\n' | '\r' | '\u{2028}' | '\u{2029}' => '⏎',
            '\t' => ' ',
            c => c,
        })
        .collect()
}

/// Why no member was identified.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum WhoError {
    #[error("nobody here is called that")]
    Nobody,
    #[error("several are called that: {}", .0.join(", "))]
    Several(Vec<String>),
}

/// Returns the member that `NAME`, `TAG`, `NAME#TAG` or `#TAG` refers to.
///
/// Names are chosen by other members, so a name must not capture what was meant for another member:
/// anything that matches two members is refused, and after a `#` only tags count.
pub(crate) fn who<'a>(members: &'a [Member], wanted: &str) -> Result<&'a Member, WhoError> {
    one_of(&meant(members, wanted))
}

/// Splits `NAME TEXT`, where a name may contain spaces. A name in double quotes ends at the quote.
///
/// A tag after a name belongs to it: if no member has both, no member matches, in particular not
/// the member that has the name now.
pub(crate) fn split_who<'a, 't>(
    members: &'a [Member],
    line: &'t str,
) -> Result<(&'a Member, &'t str), WhoError> {
    let line = line.trim();
    if let Some((name, text)) = line.strip_prefix('"').and_then(|rest| rest.split_once('"')) {
        let text = text.trim_start();
        return match split_tag(text) {
            Some((tag, text)) => Ok((who(members, &format!("{name}{tag}"))?, text)),
            None => Ok((who(members, name)?, text)),
        };
    }
    let ends = line
        .char_indices()
        .filter(|(_, c)| c.is_whitespace())
        .map(|(at, _)| at)
        .chain([line.len()]);
    let mut found: Vec<(&Member, &str)> = Vec::new();
    // No name has more words than this, and a long text is not searched through.
    for (name, text) in ends.take(24).filter_map(|end| line.split_at_checked(end)) {
        let text = text.trim_start();
        if let Some((_, tag)) = name.split_once('#') {
            // Names contain no `#`: either this ends in a tag, or the text has begun.
            if is_tag(tag) {
                found = meant(members, name).into_iter().map(|member| (member, text)).collect();
            }
            break;
        }
        if split_tag(text).is_none() {
            found.extend(meant(members, name).into_iter().map(|member| (member, text)));
        }
    }
    let everyone: Vec<_> = found.iter().map(|(member, _)| *member).collect();
    let member = one_of(&everyone)?;
    let text = found.last().map_or("", |(_, text)| *text);
    Ok((member, text))
}

/// Returns the tag that `text` begins with, `#` included, and the rest.
fn split_tag(text: &str) -> Option<(&str, &str)> {
    let (word, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
    is_tag(word.strip_prefix('#')?).then_some((word, rest.trim_start()))
}

/// Whether the text has the form of a tag: the "1" of a "#1" in a text does not.
fn is_tag(text: &str) -> bool {
    text.len() == 4 && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

fn meant<'a>(members: &'a [Member], wanted: &str) -> Vec<&'a Member> {
    let wanted = wanted.trim().to_lowercase();
    let named = |member: &Member, name: &str| member.nickname.as_str().to_lowercase() == name;
    let tagged = |member: &Member, tag: &str| member.tag.to_string().to_lowercase() == tag;
    let means = |member: &&Member| match wanted.rsplit_once('#') {
        Some((name, tag)) => {
            let name = name.trim();
            (name.is_empty() || named(member, name)) && tagged(member, tag)
        }
        None => named(member, &wanted) || tagged(member, &wanted),
    };
    members.iter().filter(means).collect()
}

fn one_of<'a>(found: &[&'a Member]) -> Result<&'a Member, WhoError> {
    let (first, others) = found.split_first().ok_or(WhoError::Nobody)?;
    if others.iter().all(|other| other.id == first.id) {
        Ok(first)
    } else {
        let mut labels: Vec<_> = found.iter().copied().map(label).collect();
        labels.sort();
        labels.dedup();
        Err(WhoError::Several(labels))
    }
}

#[cfg(test)]
mod tests {
    use anocm_core::testing::sample;

    use super::*;

    fn member(name: &str, n: u8) -> Member {
        sample::member(name.parse().unwrap(), n, Role::Member)
    }

    fn members() -> Vec<Member> {
        [("Alice", 1), ("Bob", 2), ("bob", 3), ("Carol Ann", 4)]
            .map(|(name, n)| member(name, n))
            .into()
    }

    #[test]
    fn a_name_that_one_has_is_enough_in_any_case() {
        let members = members();
        assert_eq!(who(&members, "Alice").unwrap().id, members[0].id);
        assert_eq!(who(&members, "aLICE").unwrap().id, members[0].id);
        for nobody in ["Dave", "", "#", "Alice#"] {
            assert_eq!(who(&members, nobody), Err(WhoError::Nobody));
        }
    }

    #[test]
    fn a_name_that_several_have_needs_the_tag() {
        let members = members();
        let mut both = vec![label(&members[1]), label(&members[2])];
        both.sort();
        assert_eq!(who(&members, "Bob"), Err(WhoError::Several(both)));
        for wanted in [
            format!("Bob#{}", members[1].tag),
            format!("Bob #{}", members[1].tag),
            format!("#{}", members[1].tag),
            members[1].tag.to_string().to_lowercase(),
        ] {
            assert_eq!(who(&members, &wanted).unwrap().id, members[1].id, "{wanted}");
        }
        let wrong = format!("Alice#{}", members[1].tag);
        assert_eq!(who(&members, &wrong), Err(WhoError::Nobody));
    }

    #[test]
    fn a_name_cannot_catch_what_is_meant_for_another_member() {
        let mut members = members();
        let alice = members[0].clone();
        members.push(member(&alice.tag.to_string(), 8));
        members.push(member("Alice how", 10));
        assert_eq!(who(&members, &label(&alice)).unwrap().id, alice.id);
        assert_eq!(who(&members, &format!("#{}", alice.tag)).unwrap().id, alice.id);
        assert!(matches!(who(&members, &alice.tag.to_string()), Err(WhoError::Several(_))));
        assert!(matches!(split_who(&members, "Alice how are you"), Err(WhoError::Several(_))));
        let line = format!("Alice #{} how are you", alice.tag);
        let (member, text) = split_who(&members, &line).unwrap();
        assert_eq!((member.id, text), (alice.id, "how are you"));
    }

    #[test]
    fn a_tag_that_is_gone_does_not_go_to_the_member_who_took_the_name() {
        let members = members();
        let gone = sample::member("Alice".parse().unwrap(), 9, Role::Member).tag;
        for line in [format!("Alice #{gone} psst"), format!("\"Alice\" #{gone} psst")] {
            assert_eq!(split_who(&members, &line), Err(WhoError::Nobody), "{line}");
        }
        let line = format!("\"Alice\" #{} psst", members[0].tag);
        assert_eq!(split_who(&members, &line), Ok((&members[0], "psst")));
        assert_eq!(split_who(&members, "Alice #1 is you"), Ok((&members[0], "#1 is you")));
    }

    #[test]
    fn a_name_with_spaces_is_told_from_the_text() {
        let members = members();
        let (member, text) = split_who(&members, "Carol Ann hello there").unwrap();
        assert_eq!((member.id, text), (members[3].id, "hello there"));
        let (member, text) = split_who(&members, "\"Carol Ann\" hello").unwrap();
        assert_eq!((member.id, text), (members[3].id, "hello"));
        let (member, text) = split_who(&members, "Alice").unwrap();
        assert_eq!((member.id, text), (members[0].id, ""));
        assert!(matches!(split_who(&members, "Bob hello"), Err(WhoError::Several(_))));
    }

    #[test]
    fn a_line_break_in_a_name_cannot_forge_a_line() {
        assert_eq!(one_line("a\nb"), "a⏎b");
    }
}
