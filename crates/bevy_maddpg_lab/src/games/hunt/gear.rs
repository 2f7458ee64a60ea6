//! What hunters can do besides running: they dash, and they throw nets.

use bevy::math::Vec2;
use bevy_maddpg::{
    policy::ActionSpace,
    typed::{AgentAction, AgentObservation},
};

use super::STEP_SECONDS;

/// Steps in a number of seconds.
const fn steps(seconds: f64) -> u32 {
    (seconds / STEP_SECONDS + 0.5) as u32
}

/// Steps that a dash lasts, and after which the next one is possible.
const DASH: u32 = steps(0.4);
const DASH_WAIT: u32 = steps(2.0);
/// Factor on the top speed and the acceleration of a hunter that dashes.
const DASH_FACTOR: f32 = 2.0;
/// Steps for which a prey is caught in a net, and after which the hunter can throw the next one.
const NET: u32 = steps(1.0);
const NET_WAIT: u32 = steps(3.0);
/// Factor on the top speed of a prey in a net.
const NET_FACTOR: f32 = 0.3;
/// How far a net flies, m between the edges of the bodies.
pub(super) const NET_RANGE: f32 = 0.35;

/// Whether hunters have gear, and how they decide to use it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Gear {
    /// They have none.
    #[default]
    None,
    /// They choose: their action is a [`HunterAction`], with a mask.
    Choices,
    /// By numbers: two more, for a dash and for a net, each used if it is above 0 and possible. For comparison.
    Numbers,
}

/// What a hunter does at a decision.
#[derive(AgentAction, Debug, Clone, Copy, PartialEq)]
pub struct HunterAction {
    /// Acceleration along x and y, as a share of the full one.
    pub run: Vec2,
    /// What it does besides.
    pub deed: Deed,
}

/// What a hunter can do besides running.
#[derive(AgentAction, Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deed {
    /// Nothing.
    Run,
    /// It runs up to twice as fast for 0.4 s; possible every 2 s.
    Dash,
    /// It throws a net at the nearest prey within 0.35 m, which is slow for 1 s; possible every 3 s.
    Net,
}

/// What a hunter knows of its gear: shares of the waiting times that are left.
#[derive(AgentObservation, Debug, Clone, Copy)]
pub(super) struct GearView {
    dash: f32,
    net: f32,
}

/// The state of a body's gear, in steps.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct State {
    dash_left: u32,
    dash_wait: u32,
    net_wait: u32,
    /// For a prey: how long it is in a net.
    netted: u32,
}

impl Gear {
    /// The action space of a hunter.
    pub(super) fn space(self) -> ActionSpace {
        match self {
            Self::None => ActionSpace::of_numbers(2),
            Self::Choices => HunterAction::space(),
            Self::Numbers => ActionSpace::of_numbers(4),
        }
    }

    /// Numbers that a hunter observes of its gear.
    pub(super) fn observation_size(self) -> usize {
        if self == Self::None { 0 } else { GearView::SIZE }
    }

    /// What hunters do besides running, by their actions as vectors. `can` says what is possible.
    pub(super) fn deed(self, action: &[f32], can: impl Fn(Deed) -> bool) -> Deed {
        let wanted = |index: usize, deed: Deed| action[index] > 0.0 && can(deed);
        match self {
            Self::Choices => HunterAction::from_action(action).map_or(Deed::Run, |action| action.deed),
            Self::Numbers if wanted(3, Deed::Net) => Deed::Net,
            Self::Numbers if wanted(2, Deed::Dash) => Deed::Dash,
            Self::Numbers | Self::None => Deed::Run,
        }
    }

    /// The action of a hunter that runs like this and does this.
    pub fn action(self, run: Vec2, deed: Deed) -> Vec<f32> {
        let sign = |wanted: Deed| if deed == wanted { 1.0 } else { -1.0 };
        match self {
            Self::None => run.to_array().into(),
            Self::Choices => HunterAction { run, deed }.to_action(),
            Self::Numbers => vec![run.x, run.y, sign(Deed::Dash), sign(Deed::Net)],
        }
    }
}

impl State {
    pub(super) fn view(&self) -> GearView {
        GearView {
            dash: self.dash_wait as f32 / DASH_WAIT as f32,
            net: self.net_wait as f32 / NET_WAIT as f32,
        }
    }

    pub(super) fn can_dash(&self) -> bool {
        self.dash_wait == 0
    }

    pub(super) fn can_throw(&self) -> bool {
        self.net_wait == 0
    }

    pub(super) fn is_netted(&self) -> bool {
        self.netted > 0
    }

    pub(super) fn dash(&mut self) {
        (self.dash_left, self.dash_wait) = (DASH, DASH_WAIT);
    }

    pub(super) fn throw(&mut self) {
        self.net_wait = NET_WAIT;
    }

    pub(super) fn catch_in_net(&mut self) {
        self.netted = NET;
    }

    /// Factors on the acceleration and on the top speed of the body in this step. Time goes on by one step.
    pub(super) fn factors(&mut self) -> (f32, f32) {
        let factors = match (self.dash_left, self.netted) {
            (_, 1..) => (1.0, NET_FACTOR),
            (1.., 0) => (DASH_FACTOR, DASH_FACTOR),
            (0, 0) => (1.0, 1.0),
        };
        for left in [&mut self.dash_left, &mut self.dash_wait, &mut self.net_wait, &mut self.netted] {
            *left = left.saturating_sub(1);
        }
        factors
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dash_lasts_and_has_to_be_waited_for() {
        let mut state = State::default();
        assert!(state.can_dash());
        state.dash();
        let fast = (0..100).take_while(|_| state.factors() == (DASH_FACTOR, DASH_FACTOR)).count();
        assert_eq!((fast as u32, state.can_dash()), (DASH, false));
        (0..DASH_WAIT).for_each(|_| _ = state.factors());
        assert!(state.can_dash());
    }

    #[test]
    fn every_kind_of_action_says_what_the_hunter_does() {
        for gear in [Gear::Choices, Gear::Numbers] {
            for deed in [Deed::Run, Deed::Dash, Deed::Net] {
                let action = gear.action(Vec2::X, deed);
                assert_eq!(action.len(), gear.space().size());
                assert_eq!((gear.deed(&action, |_| true), action[0]), (deed, 1.0));
            }
        }
        let both = [0.0, 0.0, 1.0, 1.0];
        assert_eq!(Gear::Numbers.deed(&both, |deed| deed != Deed::Net), Deed::Dash);
        assert_eq!(Gear::None.deed(&[0.0; 2], |_| true), Deed::Run);
    }
}
