//! The learning curve as a picture.

use std::error::Error;
use std::ops::Range;
use std::path::Path;
use std::sync::OnceLock;

use plotters::coord::{Shift, types::RangedCoordf64};
use plotters::prelude::*;
use plotters::style::register_font;

use bevy_maddpg::write_atomically;

use super::output_error::OutputError;
use crate::{format, statistics::CurvePoint};

/// Width and height of the picture, in pixels.
pub const CURVE_SIZE: (u32, u32) = (1200, 675);

/// Curves with more points than this are thinned evenly before drawing.
const MAX_DRAWN: usize = 2_000;
/// The picture is drawn this many times larger and averaged down, because plotters' thick lines have hard edges.
const SCALE: u32 = 2;
const FONT: &str = "open sans";
const TEXT: RGBColor = RGBColor(45, 50, 58);
const FAINT_TEXT: RGBColor = RGBColor(96, 103, 112);
const GRID: RGBColor = RGBColor(230, 233, 237);
const AXIS: RGBColor = RGBColor(160, 166, 174);
const SCORE: RGBColor = RGBColor(120, 170, 220);
const MEAN: RGBColor = RGBColor(18, 82, 150);
const SOLVED: RGBColor = RGBColor(206, 84, 32);

pub(super) type Canvas<'a> = DrawingArea<BitMapBackend<'a>, Shift>;
pub(super) type Chart<'a> = ChartContext<'a, BitMapBackend<'a>, Cartesian2d<RangedCoordf64, RangedCoordf64>>;

/// Draws the scores of `points` (ordered by `decisions`) and their 100-episode mean against joint decisions, with a
/// dashed line at `solved` if there is one. Writes a PNG of [`CURVE_SIZE`] atomically. Points that are not finite are
/// left out.
///
/// # Errors
/// [`OutputError::Draw`] if the picture cannot be drawn, [`OutputError::Io`] if the file cannot be written.
pub fn draw_curve(
    path: impl AsRef<Path>,
    points: &[CurvePoint],
    title: &str,
    solved: Option<f32>,
) -> Result<(), OutputError> {
    write_picture(path.as_ref(), render(points, title, solved))
}

/// Writes a picture atomically.
pub(super) fn write_picture(path: &Path, pixels: Result<Vec<u8>, Box<dyn Error>>) -> Result<(), OutputError> {
    let png = pixels
        .and_then(|pixels| encode(&pixels))
        .map_err(|error| OutputError::Draw { path: path.to_owned(), reason: error.to_string() })?;
    write_atomically(path, &png).map_err(OutputError::io("write", path))
}

/// The picture's RGB bytes, row by row.
fn render(points: &[CurvePoint], title: &str, solved: Option<f32>) -> Result<Vec<u8>, Box<dyn Error>> {
    let solved = solved.filter(|score| score.is_finite());
    let mut keys = vec![("score of an episode".to_owned(), SCORE), ("mean of 100 episodes".to_owned(), MEAN)];
    keys.extend(solved.map(|score| (format!("solved at {score}"), SOLVED)));
    paint(title, &keys, |canvas| draw_chart(canvas, &thinned(points), solved))
}

/// The RGB bytes, row by row, of a picture with a title, a legend and a chart.
pub(super) fn paint(
    title: &str,
    keys: &[(String, RGBColor)],
    draw_chart: impl FnOnce(&Canvas) -> Result<(), Box<dyn Error>>,
) -> Result<Vec<u8>, Box<dyn Error>> {
    static REGISTERED: OnceLock<bool> = OnceLock::new();
    let registered = REGISTERED.get_or_init(|| {
        let font = include_bytes!("../../assets/fonts/OpenSans-Regular.ttf");
        register_font(FONT, FontStyle::Normal, font).is_ok()
    });
    if !registered {
        return Err("the built-in font is damaged".into());
    }
    let size = (CURVE_SIZE.0 * SCALE, CURVE_SIZE.1 * SCALE);
    let mut large = vec![0; (size.0 * size.1 * 3) as usize];
    {
        let canvas = BitMapBackend::with_buffer(&mut large, size).into_drawing_area();
        canvas.fill(&WHITE)?;
        draw_legend(&canvas, title, keys)?;
        draw_chart(&canvas)?;
        canvas.present()?;
    }
    Ok(averaged_down(&large))
}

/// Draws the title (left) and the legend (right) above the chart, where they hide no data.
fn draw_legend(canvas: &Canvas, title: &str, keys: &[(String, RGBColor)]) -> Result<(), Box<dyn Error>> {
    let middle = px(42);
    canvas.draw_text(title, &style(31, TEXT).pos(left_middle()), (px(28), middle))?;

    let text = style(20, TEXT).pos(left_middle());
    let mut right = px(CURVE_SIZE.0 as i32 - 36);
    for (label, color) in keys.iter().rev() {
        let (width, _) = canvas.estimate_text_size(label, &text)?;
        let left = right - width as i32;
        canvas.draw_text(label, &text, (left, middle + px(1)))?;
        let key = (left - px(44), left - px(10));
        let stroke = |width| color.stroke_width(width * SCALE);
        match *color {
            SCORE => canvas.draw(&Circle::new((left - px(18), middle), px(4), color.filled()))?,
            SOLVED => {
                for dash in [key.0, key.0 + px(13), key.0 + px(26)] {
                    canvas.draw(&PathElement::new([(dash, middle), (dash + px(8), middle)], stroke(2)))?;
                }
            }
            _ => canvas.draw(&PathElement::new([(key.0, middle), (key.1, middle)], stroke(4)))?,
        }
        right = key.0 - px(20);
    }
    Ok(())
}

/// Draws the axes: joint decisions on x, what `of` names on y.
pub(super) fn axes<'a>(
    canvas: &Canvas<'a>,
    across: Range<f64>,
    up: Range<f64>,
    of: &str,
) -> Result<Chart<'a>, Box<dyn Error>> {
    let decimals = decimals(up.end - up.start);
    let mut chart = ChartBuilder::on(canvas)
        .margin_left(px(20))
        .margin_right(px(36))
        .margin_top(px(78))
        .margin_bottom(px(16))
        .x_label_area_size(px(62))
        .y_label_area_size(px(84))
        .build_cartesian_2d(across, up)?;
    chart
        .configure_mesh()
        .x_labels(9)
        .y_labels(8)
        .max_light_lines(0)
        .bold_line_style(GRID.stroke_width(SCALE))
        .axis_style(AXIS.stroke_width(SCALE))
        .set_all_tick_mark_size(px(5))
        .label_style(style(19, FAINT_TEXT))
        .axis_desc_style(style(21, TEXT))
        .x_label_formatter(&|&decisions| format::axis_count(decisions))
        .y_label_formatter(&|score| format!("{score:.decimals$}"))
        .x_desc("joint decisions")
        .y_desc(of)
        .draw()?;
    Ok(chart)
}

/// Draws a line segment by segment with round joins, because plotters' own joins have spikes at sharp turns.
pub(super) fn draw_line(
    chart: &mut Chart,
    points: &[(f64, f64)],
    color: impl Color,
    width: u32,
) -> Result<(), Box<dyn Error>> {
    let stroke = ShapeStyle { color: color.to_rgba(), filled: true, stroke_width: width * SCALE };
    chart.draw_series(points.windows(2).map(|ends| PathElement::new(ends.to_vec(), stroke)))?;
    if width > 2 {
        let radius = px(width as i32 / 2);
        chart.draw_series(points.iter().map(|&at| Circle::new(at, radius, stroke)))?;
    }
    Ok(())
}

fn draw_chart(canvas: &Canvas, points: &[CurvePoint], solved: Option<f32>) -> Result<(), Box<dyn Error>> {
    let last = points.last().map_or(0.0, |point| point.decisions as f64);
    let scores = points.iter().flat_map(|point| [Some(point.score), point.score_100]).chain([solved]);
    let (across, up) = ranges(last, scores.flatten().map(f64::from));
    let mut chart = axes(canvas, across.clone(), up, "score")?;

    // Few dots are drawn more opaque, so that each of them is visible.
    let opacity = if points.len() > 500 { 0.45 } else { 0.75 };
    chart.draw_series(points.iter().map(|point| {
        let at = (point.decisions as f64, f64::from(point.score));
        Circle::new(at, px(2), SCORE.mix(opacity).filled())
    }))?;
    if let Some(score) = solved {
        let ends = [(across.start, f64::from(score)), (across.end, f64::from(score))];
        let line = SOLVED.stroke_width(2 * SCALE);
        chart.draw_series(DashedLineSeries::new(ends, px(10), px(7), line))?;
    }
    draw_line(&mut chart, &means(points), MEAN, 4)?;
    if points.is_empty() {
        let (width, height) = canvas.dim_in_pixel();
        let text = style(24, FAINT_TEXT).pos(center());
        canvas.draw_text("no episode has ended yet", &text, (width as i32 / 2, height as i32 / 2))?;
    }
    Ok(())
}

/// The 100-episode means, if there are any, against joint decisions.
pub(super) fn means(points: &[CurvePoint]) -> Vec<(f64, f64)> {
    let mean = |point: &CurvePoint| Some((point.decisions as f64, f64::from(point.score_100?)));
    points.iter().filter_map(mean).collect()
}

/// The finite points, thinned to at most [`MAX_DRAWN`] + 1. The last one is always kept.
pub(super) fn thinned(points: &[CurvePoint]) -> Vec<CurvePoint> {
    let finite = |point: &CurvePoint| point.score.is_finite() && point.score_100.is_none_or(f32::is_finite);
    let points: Vec<CurvePoint> = points.iter().copied().filter(finite).collect();
    let stride = points.len().div_ceil(MAX_DRAWN).max(1);
    let mut kept: Vec<CurvePoint> = points.iter().copied().step_by(stride).collect();
    if kept.last() != points.last() {
        kept.extend(points.last());
    }
    kept
}

/// The ranges of the axes: from zero to the last decision, and all scores with a margin.
pub(super) fn ranges(last: f64, scores: impl Iterator<Item = f64>) -> (Range<f64>, Range<f64>) {
    let last = last.max(100.0);
    let (low, high) = scores
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), score| (low.min(score), high.max(score)));
    let (low, high) = if low <= high { (low, high) } else { (0.0, 1.0) };
    // If all scores are equal, zero is included to give the axis a length.
    let (low, high) = if low < high { (low, high) } else { (low.min(0.0), high.max(0.0)) };
    let margin = if low < high { 0.06 * (high - low) } else { 0.5 };
    (0.0..last * 1.01, low - margin..high + margin)
}

/// Number of decimals needed to tell the labels of an axis of this length apart.
fn decimals(length: f64) -> usize {
    [(20.0, 0), (2.0, 1), (0.2, 2), (0.02, 3)]
        .into_iter()
        .find_map(|(at_least, decimals)| (length >= at_least).then_some(decimals))
        .unwrap_or(5)
}

/// Converts pixels of the picture to pixels of the larger canvas.
fn px(pixels: i32) -> i32 {
    pixels * SCALE as i32
}

fn style(size: i32, color: RGBColor) -> TextStyle<'static> {
    (FONT, px(size)).into_font().color(&color)
}

fn left_middle() -> plotters::style::text_anchor::Pos {
    use plotters::style::text_anchor::{HPos, Pos, VPos};
    Pos::new(HPos::Left, VPos::Center)
}

fn center() -> plotters::style::text_anchor::Pos {
    use plotters::style::text_anchor::{HPos, Pos, VPos};
    Pos::new(HPos::Center, VPos::Center)
}

/// Scales the larger canvas down: each pixel is the mean of `SCALE * SCALE` of its pixels.
fn averaged_down(large: &[u8]) -> Vec<u8> {
    let (width, height, scale) = (CURVE_SIZE.0 as usize, CURVE_SIZE.1 as usize, SCALE as usize);
    let mut pixels = Vec::with_capacity(width * height * 3);
    for y in 0..height {
        for x in 0..width {
            for channel in 0..3 {
                let mut sum = 0;
                for row in y * scale..(y + 1) * scale {
                    for column in x * scale..(x + 1) * scale {
                        sum += u32::from(large[(row * width * scale + column) * 3 + channel]);
                    }
                }
                pixels.push((sum / (SCALE * SCALE)) as u8);
            }
        }
    }
    pixels
}

/// Encodes a picture as a PNG file.
fn encode(pixels: &[u8]) -> Result<Vec<u8>, Box<dyn Error>> {
    let mut file = Vec::new();
    let mut encoder = png::Encoder::new(&mut file, CURVE_SIZE.0, CURVE_SIZE.1);
    encoder.set_color(png::ColorType::Rgb);
    encoder.write_header()?.write_image_data(pixels)?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn point(decisions: u64, score: f32, score_100: Option<f32>) -> CurvePoint {
        CurvePoint { decisions, score, score_100 }
    }

    /// Width and height from a PNG's header.
    fn png_size(path: &Path) -> (u32, u32) {
        let bytes = fs::read(path).unwrap();
        assert_eq!(&bytes[..8], b"\x89PNG\r\n\x1a\n");
        let number = |at: usize| u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap());
        (number(16), number(20))
    }

    fn has(pixels: &[u8], color: RGBColor) -> bool {
        pixels.chunks_exact(3).any(|pixel| pixel == [color.0, color.1, color.2])
    }

    #[test]
    fn a_curve_is_a_png_of_the_stated_size_and_leaves_no_other_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("curve.png");
        let points: Vec<_> = (0..300).map(|n| point(n * 30, n as f32, Some(n as f32))).collect();
        draw_curve(&path, &points, "tennis", Some(100.0)).unwrap();
        draw_curve(&path, &points, "tennis", None).unwrap();
        assert_eq!(png_size(&path), CURVE_SIZE);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn no_points_one_point_and_points_that_are_not_finite_draw_too() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("curve.png");
        let one = point(5, 1.0, None);
        let bad = [point(1, f32::NAN, None), one, point(9, 0.0, Some(f32::INFINITY))];
        for points in [&[][..], &[one], &bad] {
            draw_curve(&path, points, "", Some(f32::NAN)).unwrap();
        }
        assert_eq!(thinned(&bad), [one]);
    }

    #[test]
    fn the_mean_and_the_bar_are_drawn_in_their_colors() {
        // Only the chart itself: the legend above it has the same colors.
        let chart = |pixels: Vec<u8>| pixels[CURVE_SIZE.0 as usize * 3 * 75..].to_vec();
        let points: Vec<_> = (0..100).map(|n| point(n, 0.0, Some(0.0))).collect();
        let pixels = chart(render(&points, "", Some(1.0)).unwrap());
        assert!(has(&pixels, MEAN) && has(&pixels, SOLVED));
        let pixels = chart(render(&points, "", None).unwrap());
        assert!(has(&pixels, MEAN) && !has(&pixels, SOLVED));
    }

    #[test]
    fn many_points_are_thinned_and_the_last_stays() {
        for count in [0, 1, 1_999, 2_000, 2_001, 9_999, 10_000] {
            let points: Vec<_> = (0..count).map(|n| point(n, 0.0, None)).collect();
            let kept = thinned(&points);
            assert!(kept.len() <= MAX_DRAWN + 1, "{count} became {}", kept.len());
            assert_eq!(kept.last(), points.last());
            assert!(kept.is_sorted_by(|a, b| a.decisions < b.decisions));
        }
    }

    #[test]
    fn a_missing_folder_is_an_error_that_names_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let error = draw_curve(folder.path().join("missing/curve.png"), &[], "", None).unwrap_err();
        assert!(error.to_string().contains("missing/curve.png"), "{error}");
    }
}
