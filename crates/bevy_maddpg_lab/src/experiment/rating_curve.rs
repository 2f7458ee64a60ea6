//! The ratings of a run's policies as a picture.

use std::path::Path;

use plotters::prelude::*;

use super::{
    curve::{axes, draw_line, paint, ranges, write_picture},
    output_error::OutputError,
};
use crate::rating::Rating;

const POLICY: RGBColor = RGBColor(18, 82, 150);
const ANCHORS: [RGBColor; 3] = [RGBColor(52, 138, 70), RGBColor(214, 96, 28), RGBColor(130, 70, 160)];

/// Draws ratings with their 95% intervals against joint decisions, and a line for each fixed opponent. Writes a PNG of
/// [`CURVE_SIZE`](super::CURVE_SIZE) atomically.
///
/// # Errors
/// [`OutputError::Draw`] if the picture cannot be drawn, [`OutputError::Io`] if the file cannot be written.
pub(super) fn draw_ratings(
    path: impl AsRef<Path>,
    policies: &[(u64, Rating)],
    anchors: &[Rating],
    title: &str,
) -> Result<(), OutputError> {
    let last = policies.last().map_or(0.0, |(decisions, _)| *decisions as f64);
    let ends =
        policies.iter().flat_map(|(_, rating)| [-1.0, 1.0].map(|side| rating.rating + side * rating.margin));
    let (across, up) = ranges(last, ends.chain(anchors.iter().map(|anchor| anchor.rating)));
    let mut keys = vec![("policy, 95% interval".to_owned(), POLICY)];
    keys.extend(anchors.iter().map(|anchor| anchor.name.clone()).zip(ANCHORS));
    let pixels = paint(title, &keys, |canvas| {
        let mut chart = axes(canvas, across.clone(), up, "rating")?;
        for (anchor, color) in anchors.iter().zip(ANCHORS) {
            let level = [(across.start, anchor.rating), (across.end, anchor.rating)];
            draw_line(&mut chart, &level, color, 2)?;
        }
        for (decisions, rating) in policies {
            let at = |side: f64| (*decisions as f64, rating.rating + side * rating.margin);
            draw_line(&mut chart, &[at(-1.0), at(1.0)], POLICY.mix(0.5), 2)?;
        }
        let line: Vec<_> =
            policies.iter().map(|(decisions, rating)| (*decisions as f64, rating.rating)).collect();
        draw_line(&mut chart, &line, POLICY, 4)
    });
    write_picture(path.as_ref(), pixels)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratings_are_drawn_even_if_there_is_only_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ratings.png");
        let rating = |name: &str, rating, margin| Rating { name: name.into(), rating, margin, games: 100.0 };
        let anchors = [rating("script", 1_000.0, 0.0)];
        for policies in [
            vec![(40_000, rating("40000", 1_100.0, 30.0))],
            vec![(40_000, rating("40000", 1_100.0, 30.0)), (80_000, rating("last", 1_250.0, 20.0))],
        ] {
            draw_ratings(&path, &policies, &anchors, "soccer, seed 0").unwrap();
            assert!(std::fs::metadata(&path).unwrap().len() > 1_000);
        }
    }
}
