use bevy::{prelude::*, time::TimeUpdateStrategy, ecs::schedule::{ScheduleLabel, SingleThreadedExecutor}};
use bevy_maddpg::{arena::EpisodeEnded, games::tennis::{self, TennisPlugin}, learner::{Pace, TrainingConfig, Preset}, plugin::MaddpgPlugins, rollout::RolloutClock, telemetry::ScoreWindow, training::{LearnerReport, Training}};
fn main() {
    let args: Vec<String> = std::env::args().collect();
    let seed: u64 = args[1].parse().unwrap();
    let arenas: usize = args[2].parse().unwrap();
    let limit: f64 = args[3].parse().unwrap();
    let config = TrainingConfig::from_toml(Preset::Matd3, &args[4..].join("\n")).unwrap();
    let mut app = App::new();
    app.add_plugins((MinimalPlugins.build().disable::<bevy::app::ScheduleRunnerPlugin>(), TransformPlugin))
        .insert_resource(TimeUpdateStrategy::FixedTimesteps(5))
        .add_plugins(MaddpgPlugins::train(config).with_seed(seed).with_training(|t| t.pace = Pace::Balanced))
        .add_plugins(TennisPlugin { arenas, seed, ..default() });
    for label in [First.intern(), PreUpdate.intern(), Update.intern(), PostUpdate.intern(), Last.intern(), FixedFirst.intern(), FixedPreUpdate.intern(), FixedPostUpdate.intern(), FixedLast.intern()] {
        app.edit_schedule(label, |s| { s.set_executor(SingleThreadedExecutor::new()); });
    }
    app.finish(); app.cleanup();
    let start = std::time::Instant::now();
    let mut w = ScoreWindow::new(100); let mut n = 0u64; let mut cur = bevy::ecs::message::MessageCursor::<EpisodeEnded>::default();
    let mut lcur = bevy::ecs::message::MessageCursor::<LearnerReport>::default();
    let mut last = std::time::Instant::now(); let mut solved = None; let mut nonzero = 0; let mut recent = 0;
    while start.elapsed().as_secs_f64() < limit {
        app.update();
        for e in cur.read(app.world().resource::<Messages<EpisodeEnded>>()) {
            n += 1; recent += 1; let s = tennis::score(&e.returns); if s > 0.05 { nonzero += 1; }
            if let Some(m) = w.push(s) { if m >= 0.5 && solved.is_none() { let d = app.world().resource::<RolloutClock>().decisions; solved = Some((n, d, start.elapsed().as_secs_f64())); eprintln!("SOLVED seed {seed} episodes {n} decisions {d} seconds {:.1}", start.elapsed().as_secs_f64()); if std::env::var("STOP").is_ok() { std::process::exit(0); } } }
        }
        if std::env::var("QUIET").is_err() { for r in lcur.read(app.world().resource::<Messages<LearnerReport>>()) { if last.elapsed().as_secs_f64() > 1.0 { last = std::time::Instant::now(); let r = &r.0; eprintln!("{:.1}s dec {} ep {n} mean {:.3} share>0: {:.2} | upd {} {:.0}/s loss {:.4} q {:.3} aloss {:.3} sat {:.2} gn {:.2} {:.3}", start.elapsed().as_secs_f64(), app.world().resource::<RolloutClock>().decisions, w.mean().unwrap_or(0.0), nonzero as f32 / recent.max(1) as f32, r.updates, r.updates_per_second, r.critic_loss, r.q_mean, r.actor_loss, r.saturation, r.critic_gradient_norm, r.actor_gradient_norm); nonzero = 0; recent = 0; } } }
    }
    eprintln!("END seed {seed} solved {solved:?} mean {:?} best {:?} decisions {} updates {}", w.mean(), w.best(), app.world().resource::<RolloutClock>().decisions, app.world().resource::<Training>().updates());
}
