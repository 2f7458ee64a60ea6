//! Learning curves of several methods in one picture.

use std::path::Path;

use plotters::prelude::*;

use super::{
    curve::{axes, draw_line, means, paint, ranges, thinned, write_picture},
    output_error::OutputError,
};
use crate::statistics::CurvePoint;

/// A method in a comparison, with one run per seed.
#[derive(Debug, Clone, PartialEq)]
pub struct Compared {
    /// The method's name in the picture.
    pub label: String,
    /// The episodes of each run, ordered by `decisions`.
    pub runs: Vec<Vec<CurvePoint>>,
}

const COLOURS: [RGBColor; 4] =
    [RGBColor(18, 82, 150), RGBColor(214, 96, 28), RGBColor(52, 138, 70), RGBColor(130, 70, 160)];

/// Draws the 100-episode mean of each run against joint decisions as a thin line, and the median over each method's
/// runs as a thick line, over the range that all of its runs cover. Writes a PNG of
/// [`CURVE_SIZE`](super::CURVE_SIZE) atomically.
///
/// # Errors
/// [`OutputError::Draw`] if the picture cannot be drawn, [`OutputError::Io`] if the file cannot be written.
pub fn draw_comparison(
    path: impl AsRef<Path>,
    compared: &[Compared],
    title: &str,
) -> Result<(), OutputError> {
    let lines: Vec<Vec<Vec<(f64, f64)>>> = compared
        .iter()
        .map(|method| method.runs.iter().map(|points| means(&thinned(points))).collect())
        .collect();
    let colors = COLOURS.iter().copied().cycle();
    let labels = compared.iter().map(|method| method.label.clone());
    let keys: Vec<_> = labels.zip(colors.clone()).collect();
    let points = || lines.iter().flatten().flatten();
    let last = points().map(|at| at.0).fold(0.0, f64::max);
    let (across, up) = ranges(last, points().map(|at| at.1));
    let pixels = paint(title, &keys, |canvas| {
        let mut chart = axes(canvas, across, up, "score")?;
        for (runs, color) in lines.iter().zip(colors.clone()) {
            runs.iter().try_for_each(|run| draw_line(&mut chart, run, color.mix(0.3), 1))?;
        }
        for (runs, color) in lines.iter().zip(colors) {
            draw_line(&mut chart, &median(runs), color, 4)?;
        }
        Ok(())
    });
    write_picture(path.as_ref(), pixels)
}

/// The median of the lines at evenly spaced x, from the latest start to the earliest end.
fn median(lines: &[Vec<(f64, f64)>]) -> Vec<(f64, f64)> {
    const PLACES: u32 = 200;
    let start = lines.iter().filter_map(|line| Some(line.first()?.0)).fold(0.0, f64::max);
    let end = lines.iter().filter_map(|line| Some(line.last()?.0)).fold(f64::INFINITY, f64::min);
    if !end.is_finite() || end <= start {
        return Vec::new();
    }
    let place = |index: u32| start + (end - start) * f64::from(index) / f64::from(PLACES);
    let at = |x: f64| {
        // The last point at or before `x`.
        let value = |line: &Vec<(f64, f64)>| {
            let beyond = line.partition_point(|point| point.0 <= x);
            line.get(beyond.max(1) - 1).map(|point| point.1)
        };
        let mut values: Vec<f64> = lines.iter().filter_map(value).collect();
        values.sort_unstable_by(f64::total_cmp);
        (x, (values[(values.len() - 1) / 2] + values[values.len() / 2]) / 2.0)
    };
    (0..=PLACES).map(place).map(at).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_runs_where_all_lines_do() {
        let line = |start: f64, end: f64, height: f64| vec![(start, height), (end, height)];
        let found = median(&[line(0.0, 10.0, 1.0), line(2.0, 8.0, 5.0), line(1.0, 20.0, 2.0)]);
        assert_eq!((found[0].0, found[found.len() - 1].0), (2.0, 8.0));
        assert!(found.iter().all(|point| point.1 == 2.0));
        let found = median(&[line(0.0, 1.0, 1.0), line(0.0, 1.0, 2.0)]);
        assert!(found.iter().all(|point| point.1 == 1.5), "the median of two lines is halfway");
        assert!(median(&[]).is_empty() && median(&[line(0.0, 1.0, 1.0), line(2.0, 3.0, 1.0)]).is_empty());
    }

    #[test]
    fn methods_with_many_runs_and_none_are_drawn() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("comparison.png");
        let run = |height: f32| {
            let point =
                |n: u64| CurvePoint { decisions: n, score: height, score_100: Some(height + n as f32) };
            (0..300).map(point).collect::<Vec<_>>()
        };
        let compared = [
            Compared { label: "one".into(), runs: vec![run(0.0), run(5.0)] },
            Compared { label: "none".into(), runs: Vec::new() },
        ];
        draw_comparison(&path, &compared, "a game").unwrap();
        draw_comparison(&path, &[], "nothing").unwrap();
        assert!(path.exists());
    }
}
