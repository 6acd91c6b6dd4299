//! Did you mean: the name nearest to the one that was not found.

/// The candidate nearest to `name`, upper and lower case alike, if it is near enough to be a slip: a third of the
/// letters, at least one, or a name that begins with what was typed.
pub(crate) fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let name = name.to_lowercase();
    let bound = (name.chars().count() / 3).max(1);
    candidates
        .into_iter()
        .filter_map(|candidate| {
            let lower = candidate.to_lowercase();
            let prefix = name.chars().count() >= 3 && (lower.starts_with(&name) || lower.ends_with(&name));
            let distance = if prefix { bound } else { distance(&name, &lower) };
            (distance <= bound).then_some((distance, candidate))
        })
        .min()
        .map(|(_, candidate)| candidate)
}

/// Edits (insert, delete, replace, swap of neighbours) between two words: the restricted Damerau distance.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for (i, &letter) in a.iter().enumerate() {
        let mut row = Vec::with_capacity(b.len() + 1);
        row.push(i + 1);
        for (j, &other) in b.iter().enumerate() {
            let mut cost = (last[j] + usize::from(letter != other))
                .min(last[j + 1] + 1)
                .min(row[j] + 1);
            if i > 0 && j > 0 && letter == b[j - 1] && a[i - 1] == other {
                cost = cost.min(before[j - 1] + 1);
            }
            row.push(cost);
        }
        before = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_found_and_strangers_are_not() {
        let names = ["hip", "ra", "dec", "parallax", "phot_g_mean_mag", "hpmag"];
        assert_eq!(nearest("parralax", names), Some("parallax"));
        assert_eq!(nearest("phot_g_mean", names), Some("phot_g_mean_mag"));
        assert_eq!(nearest("HPMAG", names), Some("hpmag"));
        assert_eq!(nearest("ar", names), Some("ra"));
        assert_eq!(nearest("teff", names), None);
        assert_eq!(nearest("", names), None);
    }

    #[test]
    fn distances() {
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("abc", "acb"), 1);
        assert_eq!(distance("kitten", "sitting"), 3);
    }
}
