use bevy::prelude::*;

use crate::{
    games::tennis::{Dimensions, Side},
    watch::mesh_builder::MeshBuilder,
};

const SURROUND: Color = Color::srgb(0.13, 0.25, 0.33);
const COURT: Color = Color::srgb(0.17, 0.37, 0.47);
const LINE: Color = Color::srgb(0.90, 0.94, 0.96);
const POST: Color = Color::srgb(0.10, 0.12, 0.16);
const CLOTH: Color = Color::srgba(0.92, 0.96, 1.0, 0.20);
const THREAD: Color = Color::srgba(0.92, 0.96, 1.0, 0.40);
const GLASS: Color = Color::srgba(0.70, 0.85, 1.0, 0.05);
const RIM: Color = Color::srgba(0.80, 0.92, 1.0, 0.40);

/// Half the length and half the width of the marked court.
const MARKED: Vec2 = Vec2::new(11.6, 3.1);
/// Distance of the service lines from the net.
const SERVICE: f32 = 6.2;
/// Width of a line.
const LINE_WIDTH: f32 = 0.09;
/// Height to which the walls are shown.
const SHOWN_WALL: f32 = 0.9;
/// Radius of a racket's edges.
const ROUNDING: f32 = 0.16;
/// Gaps between strings along one side of a racket.
const STRINGS: usize = 7;
/// Height of the tape along the net's upper edge.
const TAPE: f32 = 0.2;
/// Distance between the threads of the net.
const MESH: f32 = 0.3;

/// Floor, lines, and the solid parts of the net. The net's foot is at the origin's x and z.
pub(super) fn floor(size: Dimensions) -> Mesh {
    let Dimensions { floor, width, wall, net_thickness, .. } = size;
    let mut builder = MeshBuilder::default();
    let at = |x: f32, height: f32, z: f32| Vec3::new(x, floor + height, z);
    builder.cuboid(at(0.0, -0.2, 0.0), Vec3::new(2.0 * wall, 0.4, width), SURROUND);
    builder.mat(at(0.0, 0.01, 0.0), 2.0 * MARKED, COURT);
    let mut line = |x: f32, z: f32, size: Vec2| builder.mat(at(x, 0.02, z), size + LINE_WIDTH, LINE);
    for sign in [-1.0, 1.0] {
        line(sign * MARKED.x, 0.0, Vec2::new(0.0, 2.0 * MARKED.y));
        line(0.0, sign * MARKED.y, Vec2::new(2.0 * MARKED.x, 0.0));
        line(sign * SERVICE, 0.0, Vec2::new(0.0, 2.0 * MARKED.y));
    }
    line(0.0, 0.0, Vec2::new(2.0 * SERVICE, 0.0));
    let net = size.net - floor;
    for sign in [-1.0, 1.0] {
        builder.cuboid(at(0.0, net / 2.0, sign * width / 2.0), Vec3::new(0.16, net + 0.06, 0.16), POST);
    }
    builder.cuboid(at(0.0, net - TAPE / 2.0, 0.0), Vec3::new(net_thickness, TAPE, width), LINE);
    builder.build()
}

/// The net's cloth, and the lower part of the walls.
pub(super) fn glass(size: Dimensions) -> Mesh {
    let Dimensions { floor, width, wall, .. } = size;
    let mut builder = MeshBuilder::default();
    let net = size.net - floor - TAPE;
    let half_net = Vec3::Y * (net / 2.0);
    builder.rectangle(Vec3::Y * (floor + net / 2.0), half_net, Vec3::Z * (width / 2.0), CLOTH);
    let threads = (width / MESH) as i32;
    for thread in 0..threads {
        let z = width * ((thread as f32 + 0.5) / threads as f32 - 0.5);
        builder.rectangle(Vec3::new(0.0, floor + net / 2.0, z), half_net, Vec3::Z * 0.015, THREAD);
    }
    for row in 0..(net / MESH) as i32 {
        let height = (row as f32 + 0.5) * MESH;
        builder.rectangle(Vec3::Y * (floor + height), Vec3::Y * 0.015, Vec3::Z * (width / 2.0), THREAD);
    }
    for side in Side::BOTH {
        let x = -side.mirror() * wall;
        let pane = Vec3::Z * (width / 2.0);
        builder.rectangle(
            Vec3::new(x, floor + SHOWN_WALL / 2.0, 0.0),
            Vec3::Y * (SHOWN_WALL / 2.0),
            pane,
            GLASS,
        );
        builder.rectangle(Vec3::new(x, floor + SHOWN_WALL, 0.0), Vec3::Y * 0.03, pane, RIM);
    }
    builder.build()
}

/// A flat racket with the shape of its collider, with strings on both faces. It turns with its body.
pub(super) fn flat_racket(size: Dimensions, paint: Color) -> Mesh {
    let size = Vec3::from(size.racket);
    let mut builder = MeshBuilder::default();
    builder.rounded_box(size, size.y * 0.45, paint);
    let (length, depth) = (size.x / 2.0 - size.y, size.z / 2.0 - size.y);
    for out in [Vec3::Y, Vec3::NEG_Y] {
        let (along, across) = (Vec3::X, out.cross(Vec3::X));
        let face = out * (size.y / 2.0 + 0.006);
        builder.rectangle(face, along * length, across * depth, paint.mix(&Color::WHITE, 0.82));
        for string in 1..STRINGS {
            let place = 2.0 * string as f32 / STRINGS as f32 - 1.0;
            let raised = face + out * 0.006;
            builder.rectangle(raised + along * (place * length), along * 0.012, across * depth, paint);
            builder.rectangle(raised + across * (place * depth), along * length, across * 0.012, paint);
        }
    }
    builder.build()
}

/// A racket with the shape of its collider, relative to its pivot, with strings on the face toward the net.
pub(super) fn racket(size: Dimensions, side: Side, paint: Color) -> Mesh {
    let tilt = Quat::from_rotation_z((size.racket_tilt * side.mirror()).to_radians());
    let behind = tilt * Vec3::new(-size.racket_behind * side.mirror(), 0.0, 0.0);
    let size = Vec3::from(size.racket);
    let mut builder = MeshBuilder::default();
    builder.rounded_box(size, ROUNDING, paint);
    let out = Vec3::X * side.mirror();
    let (up, across) = (Vec3::Y, Vec3::Z * side.mirror());
    let face = (size / 2.0 - ROUNDING - 0.05) * (Vec3::Y + Vec3::Z);
    let center = out * (size.x / 2.0);
    builder.rectangle(center + out * 0.006, up * face.y, across * face.z, paint.mix(&Color::WHITE, 0.82));
    for string in 1..STRINGS {
        let place = 2.0 * string as f32 / STRINGS as f32 - 1.0;
        let raised = center + out * 0.012;
        builder.rectangle(raised + up * (place * face.y), up * 0.014, across * face.z, paint);
        builder.rectangle(raised + across * (place * face.z), up * face.y, across * 0.014, paint);
    }
    builder.build().transformed_by(Transform::from_translation(behind).with_rotation(tilt))
}
