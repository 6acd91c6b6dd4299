//! YAML to a tree of texts, lists and mappings, within limits. Types, anchors and aliases mean nothing here.

use saphyr_parser::{Event, Parser};

/// Nested collections.
const MAX_DEPTH: usize = 64;

/// A value.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Node {
    Text(String),
    List(Vec<Node>),
    Map(Vec<(String, Node)>),
}

impl Node {
    /// The first document of a text; the error has its line within the text, from 0, and what is wrong.
    pub(super) fn parse(text: &str) -> Result<Self, (usize, String)> {
        // Collections that are open; of a mapping also the key that waits for its value.
        let mut open: Vec<(Self, Option<String>)> = Vec::new();
        for event in Parser::new_from_str(text) {
            let (event, span) = event.map_err(|error| (error.marker().line().saturating_sub(1), error.to_string()))?;
            let done = match event {
                Event::Scalar(value, ..) => Some(Self::Text(value.into_owned())),
                Event::Alias(_) => Some(Self::Text(String::new())),
                Event::SequenceStart(..) => {
                    open.push((Self::List(Vec::new()), None));
                    None
                }
                Event::MappingStart(..) => {
                    open.push((Self::Map(Vec::new()), None));
                    None
                }
                Event::SequenceEnd | Event::MappingEnd => open.pop().map(|(node, _)| node),
                _ => None,
            };
            if open.len() > MAX_DEPTH {
                let fault = format!("collections nested more than {MAX_DEPTH} deep");
                return Err((span.start.line().saturating_sub(1), fault));
            }
            let Some(node) = done else { continue };
            match open.last_mut() {
                None => return Ok(node),
                Some((parent, key)) => parent.add(key, node),
            }
        }
        Err((0, "there is no value".to_owned()))
    }

    fn add(&mut self, key: &mut Option<String>, node: Self) {
        match self {
            Self::List(items) => items.push(node),
            Self::Map(entries) => match (key.take(), node) {
                (Some(key), node) => entries.push((key, node)),
                // A collection as a key is of no use to anybody here.
                (None, node) => *key = Some(node.text().unwrap_or_default().to_owned()),
            },
            Self::Text(_) => {}
        }
    }

    /// The value of a key; lists of mappings (`!!omap`) count as one.
    pub(super) fn get(&self, key: &str) -> Option<&Self> {
        match self {
            Self::Map(entries) => entries.iter().find(|(name, _)| name == key).map(|(_, node)| node),
            Self::List(items) => items
                .iter()
                .filter(|item| matches!(item, Self::Map(_)))
                .find_map(|item| item.get(key)),
            Self::Text(_) => None,
        }
    }

    pub(super) fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flow_and_block_are_alike() {
        let flow = Node::parse(
            "datatype:\n- {name: ra, unit: deg, meta: !!omap [{ucd: pos.eq.ra;meta.main}],\n    description: 'it''s'}\n",
        );
        let block = Node::parse(
            "datatype:\n- name: ra\n  unit: deg\n  meta: !!omap\n  - {ucd: pos.eq.ra;meta.main}\n  description: >-\n    it's\n",
        );
        let flow = flow.unwrap();
        assert_eq!(Ok(&flow), block.as_ref());
        let Some(Node::List(columns)) = flow.get("datatype") else {
            panic!("{flow:?}")
        };
        let ucd = columns[0]
            .get("meta")
            .and_then(|meta| meta.get("ucd"))
            .and_then(Node::text);
        assert_eq!(ucd, Some("pos.eq.ra;meta.main"));
    }

    #[test]
    fn faults_have_their_line() {
        assert_eq!(Node::parse("a: 1\nb: [1, 2\n").unwrap_err().0, 2);
        assert!(Node::parse(&"[".repeat(5000)).is_err());
        assert!(Node::parse(&"- ".repeat(5000)).is_err());
        assert!(Node::parse("").is_err());
    }
}
