use bevy::{image::ImageSampler, prelude::*};

use super::{
    canvas::Canvas,
    stage::FrontArena,
    style::{self, WatchFont},
};
use crate::format;
use bevy_maddpg::{
    agent::{Action, ActionMask, Agent, DecisionClock, Life, Observation, Reward},
    policy::ImageSpec,
    rollout::Arenas,
};

/// The agent that the key I has selected. Its panel shows what it senses, does and earns.
#[derive(Resource, Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Inspected(pub Option<Entity>);

/// The panel.
#[derive(Component, Debug)]
struct InspectPanel;

/// The picture that the agent sees, if it sees any.
#[derive(Component, Debug)]
struct InspectPicture;

/// A text of the panel.
#[derive(Component, Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Head,
    Earned,
    SensedNames,
    SensedValues,
    DoneNames,
    DoneValues,
}

/// Height of the picture in the panel, in logical pixels.
const PICTURE_HEIGHT: f32 = 128.0;

/// The most numbers of one kind that are shown.
const LINES: usize = 30;

pub(super) fn plugin(app: &mut App) {
    app.init_resource::<Inspected>()
        .add_systems(Startup, spawn)
        .add_systems(Update, (select, (refresh, show_picture)).chain());
}

fn spawn(mut commands: Commands, font: Res<WatchFont>, mut images: ResMut<Assets<Image>>) {
    let picture = images.add(Canvas { width: 1, height: 1, pixels: vec![0; 4] }.to_image());
    let node = Node {
        position_type: PositionType::Absolute,
        left: px(12),
        top: px(12),
        flex_direction: FlexDirection::Column,
        row_gap: px(6),
        padding: UiRect::axes(px(14), px(10)),
        display: Display::None,
        ..default()
    };
    let columns = Node { column_gap: px(14), justify_content: JustifyContent::SpaceBetween, ..default() };
    let part =
        |part: Part, size: f32, color: Color| (part, font.text("", size, color), TextLayout::no_wrap());
    commands.spawn((InspectPanel, style::panel(node))).with_children(|panel| {
        panel.spawn(part(Part::Head, 15.0, style::BRIGHT));
        panel.spawn(part(Part::Earned, 12.0, style::MUTED));
        for (heading, names, values) in
            [("senses", Part::SensedNames, Part::SensedValues), ("does", Part::DoneNames, Part::DoneValues)]
        {
            panel.spawn(font.text(heading, 11.0, style::CURVE));
            if names == Part::SensedNames {
                let node = Node { height: px(PICTURE_HEIGHT), display: Display::None, ..default() };
                panel.spawn((InspectPicture, ImageNode::new(picture.clone()), node));
            }
            panel.spawn(columns.clone()).with_children(|columns| {
                columns.spawn(part(names, 12.0, style::MUTED));
                columns.spawn(part(values, 12.0, style::BRIGHT));
            });
        }
    });
}

/// The key I selects the agents of the arena in front, one after the other, then none.
fn select(
    keys: Res<ButtonInput<KeyCode>>,
    arenas: Res<Arenas>,
    front: Option<Res<FrontArena>>,
    mut inspected: ResMut<Inspected>,
) {
    let is_front = |arena: Entity| front.as_ref().is_some_and(|front| front.0 == arena);
    let entries = arenas.entries();
    let Some(first) = entries.iter().find(|entry| is_front(entry.arena)).or(entries.first()) else { return };
    let selected = |agent: Entity| Some(agent) == inspected.0;
    if keys.just_pressed(KeyCode::KeyI) {
        let next = match inspected.0 {
            None => first.agents.iter().flatten().copied().next(),
            Some(_) => first.agents.iter().flatten().copied().skip_while(|agent| !selected(*agent)).nth(1),
        };
        inspected.0 = next;
    } else if inspected.0.is_some() && !first.agents.iter().flatten().copied().any(selected) {
        inspected.0 = None;
    }
}

type Shown<'a> = (
    &'a Agent,
    &'a Observation,
    &'a Action,
    &'a Reward,
    &'a Life,
    &'a DecisionClock,
    Option<&'a ActionMask>,
    Option<&'a Name>,
);

fn refresh(
    inspected: Res<Inspected>,
    agents: Query<Shown>,
    mut panel: Single<&mut Node, With<InspectPanel>>,
    mut texts: Query<(&Part, &mut Text)>,
) {
    let shown = inspected.0.and_then(|agent| agents.get(agent).ok());
    let display = if shown.is_some() { Display::Flex } else { Display::None };
    if panel.display != display {
        panel.display = display;
    }
    let Some((agent, observation, action, reward, life, clock, mask, name)) = shown else { return };
    let [senses, does] = [sensed(agent, observation), done(agent, action, mask)].map(columns);
    for (part, mut text) in &mut texts {
        let words = match part {
            Part::Head => match name {
                Some(name) => format!("{name} ({})", agent.behavior),
                None => agent.behavior.clone(),
            },
            Part::Earned => {
                let state = match (life.is_over(), clock.is_due()) {
                    (true, _) => ", its part is over",
                    (false, true) => "",
                    (false, false) => ", keeps its action",
                };
                format!("return {}{state}", format::score(reward.episode_return()))
            }
            Part::SensedNames => senses[0].clone(),
            Part::SensedValues => senses[1].clone(),
            Part::DoneNames => does[0].clone(),
            Part::DoneValues => does[1].clone(),
        };
        style::write(&mut text, words);
    }
}

/// Shows the newest picture that the selected agent sees.
fn show_picture(
    inspected: Res<Inspected>,
    agents: Query<(&Agent, &Observation)>,
    picture: Single<(&mut Node, &ImageNode), With<InspectPicture>>,
    mut images: ResMut<Assets<Image>>,
) {
    let (mut node, shown) = picture.into_inner();
    let agent = inspected.0.and_then(|agent| agents.get(agent).ok());
    let seen = agent.and_then(|(agent, observation)| Some((agent.image?, observation)));
    let display = if seen.is_some() { Display::Flex } else { Display::None };
    if node.display != display {
        node.display = display;
    }
    let Some((spec, observation)) = seen else { return };
    let width = px(PICTURE_HEIGHT * spec.width as f32 / spec.height as f32);
    if node.width != width {
        node.width = width;
    }
    if let Some(mut image) = images.get_mut(&shown.image) {
        let mut picture = canvas(spec, observation.frame()).to_image();
        picture.sampler = ImageSampler::nearest();
        *image = picture;
    }
}

/// The picture in a frame that an agent observes: in colors if it has three channels, otherwise its first channel in grey.
fn canvas(spec: ImageSpec, frame: &[f32]) -> Canvas {
    let ImageSpec { width, height, channels, .. } = spec;
    let size = width * height;
    let brightness = |channel: usize, pixel: usize| {
        let channel = if channels == 3 { channel } else { 0 };
        (frame[channel * size + pixel].clamp(0.0, 1.0) * 255.0).round() as u8
    };
    let color = |pixel: usize| [0, 1, 2].map(|channel| brightness(channel, pixel));
    let pixels = (0..size).map(color).flat_map(|[red, green, blue]| [red, green, blue, 255]);
    Canvas { width, height, pixels: pixels.collect() }
}

/// The name and the value of each number that the agent observes, without the pixels of an image.
fn sensed(agent: &Agent, observation: &Observation) -> Vec<[String; 2]> {
    let name =
        |index: usize| agent.observation_names.get(index).cloned().unwrap_or_else(|| index.to_string());
    let pixels = agent.image.map_or(0, |image| image.frame_size());
    let values = observation.frame().iter().enumerate().skip(pixels);
    values.map(|(index, value)| [name(index), format!("{value:.3}")]).collect()
}

/// The name and the value of each number of the action, then the branches with what was chosen and what is forbidden.
fn done(agent: &Agent, action: &Action, mask: Option<&ActionMask>) -> Vec<[String; 2]> {
    let space = &agent.action;
    let numbers = space.names().into_iter().zip(&action[..space.numbers()]);
    let numbers = numbers.map(|(name, value)| [name, format!("{value:.3}")]);
    let branches = space.branches().iter().enumerate().map(|(index, branch)| {
        let chosen = space.choice(action, index).map_or("-", |choice| &branch.choices[choice]);
        let is_forbidden = |choice: usize| mask.is_some_and(|mask| !mask.is_possible(index, choice));
        let forbidden: Vec<_> = (0..branch.choices.len())
            .filter(|choice| is_forbidden(*choice))
            .map(|choice| branch.choices[choice].as_str())
            .collect();
        let forbidden =
            if forbidden.is_empty() { String::new() } else { format!(" (not {})", forbidden.join(", ")) };
        [branch.name.clone(), format!("{chosen}{forbidden}")]
    });
    numbers.chain(branches).collect()
}

/// The names, one per line, and the values, one per line.
fn columns(mut lines: Vec<[String; 2]>) -> [String; 2] {
    if lines.len() > LINES {
        let more = lines.len() + 1 - LINES;
        lines.truncate(LINES - 1);
        lines.push([format!("and {more} more"), String::new()]);
    }
    [0, 1].map(|column| lines.iter().map(|line| line[column].as_str()).collect::<Vec<_>>().join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use bevy_maddpg::policy::ActionSpace;

    #[test]
    fn an_agent_is_shown_with_its_names() {
        let mut world = World::new();
        let space = ActionSpace::default().with_number("aim").with_branch("move", ["left", "right"]);
        let mut agent = Agent::new("hare", 2, 0).with_action(space);
        agent.observation_names = vec!["near".into(), "far".into()];
        let entity = world.spawn(agent).id();
        let mut entity = world.entity_mut(entity);
        entity.get_mut::<ActionMask>().unwrap().set(0, 1, false);
        entity.get_mut::<Observation>().unwrap().write(&[0.25, 3.0]);
        let (agent, action) = (entity.get::<Agent>().unwrap(), entity.get::<Action>().unwrap());
        let senses = columns(sensed(agent, entity.get::<Observation>().unwrap()));
        assert_eq!(senses, ["near\nfar", "0.250\n3.000"]);
        let does = columns(done(agent, action, entity.get::<ActionMask>()));
        assert_eq!(does, ["aim\nmove", "0.000\n- (not right)"]);
    }

    #[test]
    fn a_picture_is_shown_as_it_is_seen() {
        let grey = canvas(ImageSpec::grey(2, 1), &[0.0, 1.0]);
        assert_eq!((grey.width, grey.height), (2, 1));
        assert_eq!(grey.pixels, [0, 0, 0, 255, 255, 255, 255, 255]);
        let color = canvas(ImageSpec { channels: 3, ..ImageSpec::grey(1, 1) }, &[1.0, 0.2, 0.0]);
        assert_eq!(color.pixels, [255, 51, 0, 255]);
        let mut world = World::new();
        let agent = Agent::new("eye", 3, 1).with_image(ImageSpec::grey(2, 1));
        let entity = world.spawn(agent).id();
        let entity = world.entity(entity);
        let lines = sensed(entity.get::<Agent>().unwrap(), entity.get::<Observation>().unwrap());
        assert_eq!(lines, [["2", "0.000"]], "only the number beside the image");
    }

    #[test]
    fn long_lists_end_with_how_much_is_left_out() {
        let lines = (0..36).map(|index| [index.to_string(), "x".into()]).collect();
        let [names, values] = columns(lines);
        assert!(names.ends_with("28\nand 7 more"));
        assert_eq!(values.lines().count(), LINES - 1);
    }
}
