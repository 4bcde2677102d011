//! How exposed a policy leaves what it protects, as one number, with what makes it so.

use rex_core::{ActionSpec, Extent, Place, Principal};

use crate::policy::Policy;

/// How much harm the actions of a group can do where they can be done to anything, in percent.
const HARM: [(&str, u32); 4] = [("Mutating", 90), ("Outbound", 60), ("Sensitive", 60), ("ReadOnly", 30)];

/// How exposed a policy leaves what it protects.
///
/// Of each namespace and group of actions, the widest place that one of them can reach counts: everything for all of its harm (90 %
/// for what changes something, 60 % for what goes out or is sensitive, 30 % for what reads), a directory directly in `/`, or a start of names without
/// two slashes, for 7 tenths of that, what lies deeper for 4, names for 1. These are put together as chances that nothing happens are: what remains safe
/// is the product of what each leaves safe. So one more permit never lowers the number, and one that is wide is not hidden by many that are narrow.
///
/// It is about the [reach](Policy::reach): conditions, and what forbids take out, do not lower it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exposure {
    /// From 0, where nothing can be permitted, to 100, where everything can.
    pub percent: u32,
    /// What makes it so, the worst first.
    pub findings: Vec<Exposed>,
}

/// What a policy exposes in one namespace, by the actions of one group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exposed {
    /// The namespace.
    pub namespace: &'static str,
    /// The group.
    pub group: &'static str,
    /// How much this alone exposes, in percent.
    pub percent: u32,
    /// The actions of the group that reach something.
    pub actions: Vec<&'static str>,
    /// The widest place that one of them reaches; `None` if no bound can be shown.
    pub widest: Option<Place>,
}

impl Policy {
    /// How exposed this policy leaves what it protects, to a principal or to any.
    #[must_use]
    pub fn exposure(&self, principal: Option<&Principal>) -> Exposure {
        let reach = self.reach(principal);
        let mut findings: Vec<Exposed> = Vec::new();
        for (action, extent) in reach.iter() {
            let Some((group, harm)) = harm(action) else { continue };
            let (tenths, widest) = widest(extent);
            let percent = harm * tenths / 10;
            match findings.iter_mut().find(|known| (known.namespace, known.group) == (action.namespace, group)) {
                Some(known) => {
                    known.actions.push(action.name);
                    if percent > known.percent {
                        (known.percent, known.widest) = (percent, widest);
                    }
                }
                None => findings.push(Exposed {
                    namespace: action.namespace,
                    group,
                    percent,
                    actions: vec![action.name],
                    widest,
                }),
            }
        }
        findings.sort_by_key(|finding| std::cmp::Reverse(finding.percent));
        // In millionths.
        let safe = findings.iter().fold(1_000_000_u64, |safe, finding| safe * u64::from(100 - finding.percent) / 100);
        Exposure { percent: u32::try_from((1_000_000 - safe + 5_000) / 10_000).unwrap_or(100), findings }
    }
}

fn harm(action: &ActionSpec) -> Option<(&'static str, u32)> {
    HARM.into_iter().find(|(group, _)| action.groups.contains(group))
}

/// How wide an extent is, in tenths of everything, and the place that makes it so.
fn widest(extent: &Extent) -> (u32, Option<Place>) {
    let Extent::Within(places) = extent else { return (10, None) };
    let tenths = |place: &Place| match place {
        Place::Below(path) if path == "/" => 10,
        Place::Below(start) | Place::Prefix(start) if start.matches('/').count() < 2 => 7,
        Place::Below(_) | Place::Prefix(_) => 4,
        Place::Exactly(_) => 1,
    };
    // Of those that are as wide, the first.
    let widest = places.iter().rev().max_by_key(|place| tenths(place));
    (widest.map_or(0, tenths), widest.cloned())
}
