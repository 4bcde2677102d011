//! Comparison of places: which lies in which, as far as their ids show.

use std::collections::BTreeSet;

use rex_core::{AbsPath, Extent, ReachPlace, Resource, ResourceSpec};

/// The way in which the resources of a type lie in each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Nesting {
    /// No nesting.
    Flat,
    /// Nesting that the ids of paths show.
    Paths,
    /// Nesting that a resource knows and its id does not show.
    Unknown,
}

impl Nesting {
    pub(crate) fn of(spec: &ResourceSpec) -> Self {
        match spec.nested {
            false => Self::Flat,
            true if spec == AbsPath::SPEC => Self::Paths,
            true => Self::Unknown,
        }
    }

    /// Returns the place of a resource and everything in it.
    pub(crate) fn below(self, id: &str) -> ReachPlace {
        if self == Self::Flat { ReachPlace::Exactly(id.to_owned()) } else { ReachPlace::Below(id.to_owned()) }
    }

    /// Returns the extent of the resources whose ids start with a text.
    pub(crate) fn prefix(self, text: &str) -> Extent {
        match (self, text) {
            (_, "") => Extent::Anything,
            // INVARIANT: no two places of a set hold the same resources, or each would be dropped for the other.
            (Self::Paths, "/") => Extent::Within(BTreeSet::from([self.below("/")])),
            _ => Extent::Within(BTreeSet::from([ReachPlace::Prefix(text.to_owned())])),
        }
    }

    /// Removes places that lie in others.
    pub(crate) fn simplify(self, places: impl IntoIterator<Item = ReachPlace>) -> BTreeSet<ReachPlace> {
        let mut places: Vec<ReachPlace> = places.into_iter().collect();
        // A place that holds another has a shorter text, or the same text and a wider kind.
        places.sort_by_cached_key(|place| {
            let kind = match place {
                ReachPlace::Prefix(_) => 0,
                ReachPlace::Below(_) => 1,
                ReachPlace::Exactly(_) => 2,
            };
            (text(place).len(), kind)
        });
        let mut simple = BTreeSet::new();
        for place in places {
            if !self.covered(&place, &simple) {
                simple.insert(place);
            }
        }
        simple
    }

    /// Returns what lies in both extents, which are simple. Where that is unknown it may return more, but never less.
    pub(crate) fn intersection(self, a: &Extent, b: &Extent) -> Extent {
        let (a, b) = match (a, b) {
            (Extent::Anything, other) | (other, Extent::Anything) => return other.clone(),
            (Extent::Within(a), Extent::Within(b)) => (a, b),
        };
        let nests = |places: &BTreeSet<ReachPlace>| places.iter().any(|place| matches!(place, ReachPlace::Below(_)));
        if self == Self::Unknown && (nests(a) || nests(b)) {
            // Places that are not known to overlap may do so, so one of the two stays whole.
            let narrow = if (nests(b), b.len()) < (nests(a), a.len()) { b } else { a };
            return Extent::Within(narrow.clone());
        }
        // INVARIANT: of any two places, one lies in the other, or they have nothing in common.
        let both =
            a.iter().filter(|place| self.covered(place, b)).chain(b.iter().filter(|place| self.covered(place, a)));
        Extent::Within(both.cloned().collect())
    }

    /// Returns whether one of a simple set of places is known to hold all of a place.
    pub(crate) fn covered(self, place: &ReachPlace, by: &BTreeSet<ReachPlace>) -> bool {
        self.holder(place, by).is_some()
    }

    /// Finds the one of a simple set of places that is known to hold all of a place.
    fn holder<'s>(self, place: &ReachPlace, by: &'s BTreeSet<ReachPlace>) -> Option<&'s ReachPlace> {
        let text = text(place);
        let exactly = matches!(place, ReachPlace::Exactly(_));
        let below = |id: &str| by.get(&ReachPlace::Below(id.to_owned()));
        // None of the set's texts starts with another, so one that starts this text is the last before it.
        let last = || by.range(..=ReachPlace::Prefix(text.to_owned())).next_back();
        let starts = || last().filter(|last| matches!(last, ReachPlace::Prefix(start) if text.starts_with(&**start)));
        let paths = self == Self::Paths;
        by.get(place)
            .or_else(|| if exactly { below(text) } else { None })
            .or_else(|| if paths { above(text).find_map(below) } else { None })
            // Elsewhere, the ids of what is in a resource can start with anything.
            .or_else(|| if paths || !matches!(place, ReachPlace::Below(_)) { starts() } else { None })
    }

    /// Finds one of a simple set of places that holds a place, or lies in it.
    pub(crate) fn meeting<'s>(self, place: &ReachPlace, many: &'s BTreeSet<ReachPlace>) -> Option<&'s ReachPlace> {
        let starting = |make: fn(String) -> ReachPlace, start: &str| {
            let first = many.range(make(start.to_owned())..).next()?;
            let same = std::mem::discriminant(first) == std::mem::discriminant(&make(String::new()));
            (same && self::text(first).starts_with(start)).then_some(first)
        };
        let any = |start: &str| {
            let below = || if self == Self::Paths { starting(ReachPlace::Below, start) } else { None };
            starting(ReachPlace::Exactly, start).or_else(below).or_else(|| starting(ReachPlace::Prefix, start))
        };
        self.holder(place, many).or_else(|| match place {
            ReachPlace::Exactly(_) => None,
            ReachPlace::Below(id) if self == Self::Paths => {
                let inside = if id == "/" { "/".to_owned() } else { format!("{id}/") };
                many.get(&ReachPlace::Exactly(id.clone())).or_else(|| any(&inside))
            }
            ReachPlace::Below(id) => many.get(&ReachPlace::Exactly(id.clone())),
            ReachPlace::Prefix(start) => any(start),
        })
    }

    /// Returns whether the [`intersection`](Self::intersection) is not empty, in a time that hardly grows with `many`.
    pub(crate) fn meets(self, few: &Extent, many: &Extent) -> bool {
        let (few, many) = match (few, many) {
            (Extent::Anything, other) | (other, Extent::Anything) => return !other.is_empty(),
            (Extent::Within(few), Extent::Within(many)) => (few, many),
        };
        let nests = |places: &BTreeSet<ReachPlace>| {
            matches!(places.range(ReachPlace::Below(String::new())..).next(), Some(ReachPlace::Below(_)))
        };
        if self == Self::Unknown && (nests(few) || nests(many)) {
            return !few.is_empty() && !many.is_empty();
        }
        few.iter().any(|place| self.meeting(place, many).is_some())
    }
}

fn text(place: &ReachPlace) -> &str {
    match place {
        ReachPlace::Exactly(text) | ReachPlace::Below(text) | ReachPlace::Prefix(text) => text,
    }
}

/// Lists the directories above a text, one for each of its slashes.
fn above(text: &str) -> impl Iterator<Item = &str> {
    text.match_indices('/').map(|(at, _)| if at == 0 { "/" } else { text.get(..at).unwrap_or_default() })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn place(path: &str, kind: u8, cut: usize) -> ReachPlace {
        let path = AbsPath::parse(path).unwrap().to_string();
        match kind {
            0 => ReachPlace::Exactly(path),
            1 => ReachPlace::Below(path),
            _ => {
                let mut text: String = path.chars().take(cut).collect();
                if text == path && text != "/" && cut.is_multiple_of(3) {
                    text.push('/');
                }
                match Nesting::Paths.prefix(&text) {
                    Extent::Within(places) => places.into_iter().next().unwrap(),
                    Extent::Anything => ReachPlace::Below("/".to_owned()),
                }
            }
        }
    }

    fn places() -> impl Strategy<Value = Vec<ReachPlace>> {
        let one = ("/[abé]{0,2}/[ab]{0,2}/[ab]{0,1}", 0..3_u8, 0..6_usize);
        prop::collection::vec(one.prop_map(|(path, kind, cut)| place(&path, kind, cut)), 0..6)
    }

    proptest! {
        #[test]
        fn sets_of_paths_hold_what_they_should(a in places(), b in places(), path in "/[abé]{0,2}/[ab]{0,2}/[ab]{0,1}") {
            let path = AbsPath::parse(&path).unwrap();
            let extent = |places: &[ReachPlace]| Extent::Within(places.iter().cloned().collect());
            let simple = |places: &[ReachPlace]| Extent::Within(Nesting::Paths.simplify(places.iter().cloned()));
            let (in_a, in_b) = (extent(&a).covers(&path), extent(&b).covers(&path));
            prop_assert_eq!(simple(&a).covers(&path), in_a);
            let both = Nesting::Paths.intersection(&simple(&a), &simple(&b));
            prop_assert_eq!(both.covers(&path), in_a && in_b, "{:?}", both);
            prop_assert_eq!(Nesting::Paths.meets(&simple(&a), &simple(&b)), !both.is_empty());
            let Extent::Within(both) = both else { panic!("it has a bound") };
            prop_assert_eq!(Nesting::Paths.simplify(both.clone()), both);
        }
    }

    #[test]
    fn what_lies_in_another_place_is_dropped() {
        let set = |places: &[ReachPlace]| places.iter().cloned().collect::<BTreeSet<_>>();
        let (exactly, below, prefix) = (
            |id: &str| ReachPlace::Exactly(id.to_owned()),
            |id: &str| ReachPlace::Below(id.to_owned()),
            |text: &str| ReachPlace::Prefix(text.to_owned()),
        );
        let all =
            [exactly("/a"), exactly("/a/b"), below("/a"), below("/a/b"), prefix("/a/c"), prefix("/b"), below("/bc")];
        assert_eq!(Nesting::Paths.simplify(all), set(&[below("/a"), prefix("/b")]));
        assert_eq!(Nesting::Paths.simplify([below("/"), prefix("/a"), exactly("/")]), set(&[below("/")]));
        // Of other trees, it is only known that a resource is in itself.
        let all = [exactly("/a"), exactly("/a/c"), below("/a"), below("/a/b")];
        assert_eq!(Nesting::Unknown.simplify(all), set(&[below("/a"), below("/a/b"), exactly("/a/c")]));
        assert_eq!(
            Nesting::Unknown.simplify([prefix("a"), exactly("ab"), below("ac")]),
            set(&[prefix("a"), below("ac")])
        );
        assert_eq!(Nesting::Flat.simplify([prefix("a"), exactly("ab"), prefix("ab")]), set(&[prefix("a")]));
    }

    #[test]
    fn where_the_tree_is_unknown_one_side_stays_whole() {
        let one = |place| Extent::Within(BTreeSet::from([place]));
        let (shelf, other) =
            (one(ReachPlace::Below("fiction".to_owned())), one(ReachPlace::Below("poetry".to_owned())));
        let book = one(ReachPlace::Exactly("moved".to_owned()));
        assert_eq!(Nesting::Unknown.intersection(&shelf, &other), shelf);
        assert_eq!(Nesting::Unknown.intersection(&shelf, &book), book);
        assert_eq!(Nesting::Unknown.intersection(&shelf, &Extent::default()), Extent::default());
        assert_eq!(Nesting::Unknown.intersection(&shelf, &Extent::Anything), shelf);
        for (one, two) in [(&shelf, &other), (&shelf, &book), (&book, &book), (&book, &Extent::default())] {
            for nesting in [Nesting::Unknown, Nesting::Flat] {
                assert_eq!(nesting.meets(one, two), !nesting.intersection(one, two).is_empty(), "{one:?} {two:?}");
            }
        }
    }
}
