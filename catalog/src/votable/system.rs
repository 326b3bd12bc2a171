//! COOSYS and TIMESYS: what columns are counted from (VOTable 1.4 §3.1, §3.2; 1.5 §3.1).

use std::collections::HashSet;
use std::sync::Arc;

use adql::System;

use super::OutputField;
use super::field::unique_id;
use crate::xml::push_attribute;

/// The systems of a result, each once, with the ID by which FIELDs refer to it.
#[derive(Debug, Default)]
pub(super) struct Systems {
    known: Vec<(Arc<System>, String)>,
}

impl Systems {
    /// Those of some columns; their IDs are taken.
    pub(super) fn of(fields: &[OutputField], ids: &mut HashSet<String>) -> Self {
        let mut systems = Self::default();
        for system in fields.iter().filter_map(|field| field.column.system.as_ref()) {
            if systems.id(system).is_none() {
                let id = unique_id(&name(system), ids);
                systems.known.push((Arc::clone(system), id));
            }
        }
        systems
    }

    /// The ID of a system.
    pub(super) fn id(&self, system: &System) -> Option<&str> {
        self.known.iter().find(|(known, _)| **known == *system).map(|(_, id)| id.as_str())
    }

    /// Whether an older VOTable than 1.5 cannot say one of them.
    pub(super) fn need_1_5(&self) -> bool {
        self.known.iter().any(|(system, _)| match system.as_ref() {
            System::Space(frame) => frame.needs_votable_1_5(),
            System::Time(_) => false,
        })
    }

    /// Appends an element for each.
    pub(super) fn push(&self, out: &mut Vec<u8>) {
        for (system, id) in &self.known {
            let number = |number: f64| format!("{number}");
            let (tag, attributes) = match system.as_ref() {
                System::Space(frame) => {
                    let said = [
                        ("system", Some(frame.frame.clone())),
                        ("equinox", frame.equinox.clone()),
                        ("epoch", frame.epoch.clone()),
                        ("refposition", frame.refposition.clone()),
                    ];
                    ("COOSYS", said)
                }
                System::Time(time) => {
                    let said = [
                        ("timeorigin", time.origin.map(number)),
                        ("timescale", Some(time.scale.clone())),
                        ("refposition", Some(time.refposition.clone())),
                        ("", None),
                    ];
                    ("TIMESYS", said)
                }
            };
            out.extend_from_slice(format!("<{tag}").as_bytes());
            push_attribute(out, "ID", id);
            for (name, value) in &attributes {
                if let Some(value) = value {
                    push_attribute(out, name, value);
                }
            }
            out.extend_from_slice(b"/>\n");
        }
    }
}

/// What a person would call it.
fn name(system: &System) -> String {
    match system {
        System::Space(frame) => match &frame.epoch {
            Some(epoch) => format!("{}_{epoch}", frame.frame),
            None => frame.frame.clone(),
        },
        System::Time(time) => format!("{}_{}", time.scale, time.refposition),
    }
}
