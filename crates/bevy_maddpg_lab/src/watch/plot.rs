use bevy::{prelude::*, text::Justify};

use bevy_maddpg::{
    rollout::RolloutClock,
    self_play::{Pool, SelfPlay},
};

use super::{
    axis::{Axis, axes},
    canvas::Canvas,
    dashboard::DashboardPart,
    style::{self, WatchFont},
};
use crate::{
    format,
    statistics::{CurvePoint, RunStatistics, SCORE_WINDOW, ScoreBoard},
};

/// Height of the plot.
const HEIGHT: f32 = 214.0;
/// Room for the labels of the y axis.
const LABELS: f32 = 34.0;
/// Real seconds between two redraws.
const PERIOD: f64 = 0.4;
/// Maximum number of labels per axis.
const TICKS: usize = 8;

const GROUND: Srgba = Srgba::new(0.03, 0.042, 0.068, 1.0);
const GRID: Srgba = Srgba::new(0.55, 0.65, 0.85, 0.13);
const DOTS: Srgba = Srgba::new(0.62, 0.74, 0.92, 0.30);
const SOLVED: Srgba = Srgba::new(0.36, 0.85, 0.56, 0.85);

/// The picture of the plot.
#[derive(Component, Debug)]
struct Plot;

/// An axis label; its index counts from the low end of the axis.
#[derive(Component, Debug, Clone, Copy)]
enum TickLabel {
    X(usize),
    Y(usize),
}

pub(super) fn plugin(app: &mut App) {
    app.add_systems(Startup, spawn).add_systems(Update, draw);
}

fn spawn(
    mut commands: Commands,
    font: Res<WatchFont>,
    statistics: Res<RunStatistics>,
    self_play: Option<Res<SelfPlay>>,
    parts: Query<(Entity, &DashboardPart)>,
    mut images: ResMut<Assets<Image>>,
) {
    let Some((part, _)) = parts.iter().find(|(_, part)| **part == DashboardPart::Curve) else {
        return;
    };
    let image = images.add(Canvas { width: 1, height: 1, pixels: GROUND.to_u8_array().into() }.to_image());
    commands.entity(part).with_children(|part| {
        part.spawn(Node { column_gap: px(14), ..default() }).with_children(|legend| {
            let mean = format!("mean of {SCORE_WINDOW}");
            let mut key = |color: Color, words: String| {
                legend
                    .spawn(Node { align_items: AlignItems::Center, column_gap: px(5), ..default() })
                    .with_children(|key| {
                        let swatch = Node {
                            width: px(9),
                            height: px(9),
                            border_radius: BorderRadius::MAX,
                            ..default()
                        };
                        key.spawn((swatch, BackgroundColor(color)));
                        key.spawn(font.text(words, 12.0, style::MUTED));
                    });
            };
            if self_play.is_some() {
                key(style::CURVE, "rating, from games against its own past".into());
                return;
            }
            key(DOTS.with_alpha(0.7).into(), "score of an episode".into());
            key(style::CURVE, mean);
            if let Some(bar) = statistics.board().bar() {
                key(SOLVED.into(), format!("solved: {bar}"));
            }
        });
        let frame =
            Node { width: percent(100), height: px(HEIGHT), padding: UiRect::left(px(LABELS)), ..default() };
        part.spawn(frame).with_children(|frame| {
            let plot = Node { width: percent(100), height: percent(100), ..default() };
            frame.spawn((Plot, plot, ImageNode::new(image).with_mode(NodeImageMode::Stretch))).with_children(
                |plot| {
                    let label = |width: f32| Node {
                        position_type: PositionType::Absolute,
                        width: px(width),
                        display: Display::None,
                        ..default()
                    };
                    for index in 0..TICKS {
                        let y =
                            Node { left: px(-LABELS), margin: UiRect::top(px(-8)), ..label(LABELS - 6.0) };
                        plot.spawn((
                            TickLabel::Y(index),
                            y,
                            font.text("", 11.0, style::MUTED),
                            TextLayout::justify(Justify::Right),
                        ));
                        let x = Node { bottom: px(-18), margin: UiRect::left(px(-30)), ..label(60.0) };
                        plot.spawn((
                            TickLabel::X(index),
                            x,
                            font.text("", 11.0, style::MUTED),
                            TextLayout::justify(Justify::Center),
                        ));
                    }
                },
            );
        });
        let title = Node { align_self: AlignSelf::End, margin: UiRect::top(px(12)), ..default() };
        part.spawn((title, font.text("joint decisions", 11.0, style::MUTED)));
    });
}

/// Redraws the curve and its labels a few times per second, at the resolution of the screen.
#[expect(clippy::too_many_arguments, reason = "a system takes one parameter per data source")]
fn draw(
    time: Res<Time<Real>>,
    statistics: Res<RunStatistics>,
    self_play: Option<Res<SelfPlay>>,
    clock: Res<RolloutClock>,
    plot: Single<(&ComputedNode, &ImageNode), With<Plot>>,
    mut images: ResMut<Assets<Image>>,
    mut labels: Query<(&TickLabel, &mut Node, &mut Text)>,
    mut canvas: Local<Canvas>,
    mut drawn_at: Local<f64>,
) {
    let (node, image) = plot.into_inner();
    let size = node.size().as_uvec2();
    let is_due = time.elapsed_secs_f64() - *drawn_at >= PERIOD
        || size != UVec2::new(canvas.width as u32, canvas.height as u32);
    if !is_due || size.min_element() < 8 || clock.decisions == 0 {
        return;
    }
    *drawn_at = time.elapsed_secs_f64();
    let curve = match &self_play {
        None => Curve::of_scores(statistics.board()),
        Some(play) => Curve::of_ratings(play.pool(), clock.decisions),
    };
    let scores = curve.dots.iter().chain(&curve.line).map(|[_, score]| *score as f32);
    let (x, y) = axes(scores, curve.shown, clock.decisions);
    paint(&mut canvas, size, node.inverse_scale_factor().recip(), &curve, (x, y));
    if let Some(mut image) = images.get_mut(&image.image) {
        *image = canvas.to_image();
    }
    label_axes((x, y), &mut labels);
}

/// What the plot shows. Points are joint decisions and score.
struct Curve {
    dots: Vec<[f64; 2]>,
    line: Vec<[f64; 2]>,
    /// The score that counts as solved.
    bar: Option<f32>,
    /// Scores that the axis includes.
    shown: [f32; 2],
}

impl Curve {
    /// The scores of the episodes and their mean.
    fn of_scores(board: &ScoreBoard) -> Self {
        let points = board.points().iter().copied().chain(board.last());
        let mean = |point: CurvePoint| Some([point.decisions as f64, f64::from(point.score_100?)]);
        let dot = |point: &CurvePoint| [point.decisions as f64, f64::from(point.score)];
        Self {
            dots: board.points().iter().map(dot).collect(),
            line: points.filter_map(mean).collect(),
            bar: board.bar(),
            shown: [0.0, board.bar().unwrap_or(0.0)],
        }
    }

    /// The ratings of the past policies and of the newest one, which has learned from so many decisions.
    fn of_ratings(pool: &Pool, decisions: u64) -> Self {
        let past = pool
            .rivals()
            .iter()
            .filter_map(|rival| Some([rival.decisions? as f64, f64::from(rival.rating?)]));
        let now = pool.rating().map(|rating| [decisions as f64, f64::from(rating)]);
        Self {
            dots: past.clone().collect(),
            line: past.chain(now).collect(),
            bar: None,
            shown: [950.0, 1_100.0],
        }
    }
}

fn paint(canvas: &mut Canvas, size: UVec2, scale: f32, curve: &Curve, (x, y): (Axis, Axis)) {
    canvas.clear(size.x as usize, size.y as usize, GROUND);
    let size = size.as_vec2();
    let hairline = scale.round().max(1.0) as usize;
    let place = |[decisions, score]: [f64; 2]| Vec2::new(x.share(decisions), 1.0 - y.share(score)) * size;
    for tick in x.ticks() {
        canvas.upright(x.share(tick) * size.x, hairline, GRID);
    }
    for tick in y.ticks() {
        canvas.level((1.0 - y.share(tick)) * size.y, hairline, 0, GRID);
    }
    for dot in &curve.dots {
        canvas.disc(place(*dot), 1.3 * scale, DOTS);
    }
    if let Some(bar) = curve.bar {
        let dash = (6.0 * scale).round().max(1.0) as usize;
        canvas.level(place([0.0, f64::from(bar)]).y, (1.5 * scale).round().max(1.0) as usize, dash, SOLVED);
    }
    canvas.line(curve.line.iter().map(|point| place(*point)), 2.6 * scale, style::CURVE.to_srgba());
}

fn label_axes((x, y): (Axis, Axis), labels: &mut Query<(&TickLabel, &mut Node, &mut Text)>) {
    for (label, mut node, mut text) in labels {
        let (axis, index) = match *label {
            TickLabel::X(index) => (x, index),
            TickLabel::Y(index) => (y, index),
        };
        let Some(tick) = axis.ticks().nth(index) else {
            node.display = Display::None;
            continue;
        };
        node.display = Display::Flex;
        let share = axis.share(tick) * 100.0;
        match label {
            TickLabel::X(_) => node.left = percent(share),
            TickLabel::Y(_) => node.top = percent(100.0 - share),
        }
        style::write(&mut text, format::tick(tick, axis.step));
    }
}
