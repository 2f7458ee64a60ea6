use bevy::{
    asset::RenderAssetUsages,
    mesh::{Indices, PrimitiveTopology},
    prelude::*,
};

/// Squares along an edge of a face of a rounded box.
const SQUARES: usize = 8;

/// Collects colored boxes and rectangles into one mesh, so that a whole court is one draw call.
#[derive(Debug, Default)]
pub(super) struct MeshBuilder {
    positions: Vec<[f32; 3]>,
    normals: Vec<[f32; 3]>,
    colors: Vec<[f32; 4]>,
    indices: Vec<u32>,
}

impl MeshBuilder {
    /// Adds a rectangle around `center`, spanned by the half edges `u` and `v`, facing `u` x `v`.
    pub fn rectangle(&mut self, center: Vec3, u: Vec3, v: Vec3, color: Color) {
        let first = self.positions.len() as u32;
        let normal = u.cross(v).normalize_or_zero().to_array();
        let color = color.to_linear().to_f32_array();
        for corner in [-u - v, u - v, u + v, -u + v] {
            self.positions.push((center + corner).to_array());
            self.normals.push(normal);
            self.colors.push(color);
        }
        self.indices.extend([0, 1, 2, 0, 2, 3].map(|index| first + index));
    }

    /// Adds a horizontal rectangle that faces up.
    pub fn mat(&mut self, center: Vec3, size: Vec2, color: Color) {
        self.rectangle(center, Vec3::Z * (size.y / 2.0), Vec3::X * (size.x / 2.0), color);
    }

    /// Adds an axis-aligned box.
    pub fn cuboid(&mut self, center: Vec3, size: Vec3, color: Color) {
        let half = size / 2.0;
        self.block(center, [Vec3::X * half, Vec3::Y * half, Vec3::Z * half], color);
    }

    /// Adds a box with these half edges, at right angles to each other.
    pub fn block(&mut self, center: Vec3, [a, b, c]: [Vec3; 3], color: Color) {
        let c = c * a.cross(b).dot(c).signum();
        for (out, u, v) in [(a, b, c), (b, c, a), (c, a, b)] {
            self.rectangle(center + out, u, v, color);
            self.rectangle(center - out, v, u, color);
        }
    }

    /// Adds a box around the origin whose edges are rounded with `radius`.
    pub fn rounded_box(&mut self, size: Vec3, radius: f32, color: Color) {
        let half = size / 2.0;
        let core = half - radius;
        let color = color.to_linear().to_f32_array();
        // Squares are denser near the edges, where the surface curves.
        let place = |index: usize, half: f32| {
            let lines = [0.0, 0.3, 0.7, 1.0].map(|share| share * radius - half);
            match index {
                0..=3 => lines[index],
                4 => 0.0,
                _ => -lines[SQUARES - index],
            }
        };
        for (out, u, v) in
            [(Vec3::X, Vec3::Y, Vec3::Z), (Vec3::Y, Vec3::Z, Vec3::X), (Vec3::Z, Vec3::X, Vec3::Y)]
        {
            for sign in [1.0, -1.0] {
                let first = self.positions.len() as u32;
                for row in 0..=SQUARES {
                    for column in 0..=SQUARES {
                        let (along_u, along_v) = (place(row, half.dot(u)), place(column, half.dot(v)));
                        let on_box = out * half * sign + u * along_u * sign + v * along_v;
                        let inner = on_box.clamp(-core, core);
                        let normal = (on_box - inner).normalize_or_zero();
                        self.positions.push((inner + normal * radius).to_array());
                        self.normals.push(normal.to_array());
                        self.colors.push(color);
                    }
                }
                let width = SQUARES as u32 + 1;
                for row in 0..SQUARES as u32 {
                    for corner in (0..SQUARES as u32).map(|column| first + row * width + column) {
                        let across = corner + width + 1;
                        self.indices.extend([corner, corner + width, across, corner, across, corner + 1]);
                    }
                }
            }
        }
    }

    /// Builds the mesh.
    pub fn build(self) -> Mesh {
        Mesh::new(PrimitiveTopology::TriangleList, RenderAssetUsages::default())
            .with_inserted_attribute(Mesh::ATTRIBUTE_POSITION, self.positions)
            .with_inserted_attribute(Mesh::ATTRIBUTE_NORMAL, self.normals)
            .with_inserted_attribute(Mesh::ATTRIBUTE_COLOR, self.colors)
            .with_inserted_indices(Indices::U32(self.indices))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faces_outward(mesh: &Mesh) -> bool {
        let positions = mesh
            .attribute(Mesh::ATTRIBUTE_POSITION)
            .and_then(|values| values.as_float3())
            .expect("positions");
        let indices: Vec<_> = mesh.indices().expect("indices").iter().collect();
        indices.chunks_exact(3).all(|triangle| {
            let [a, b, c] = [0, 1, 2].map(|corner| Vec3::from(positions[triangle[corner]]));
            (b - a).cross(c - a).dot(a + b + c) >= -1e-6
        })
    }

    #[test]
    fn boxes_face_outward_and_keep_their_size() {
        let size = Vec3::new(1.1, 1.875, 2.0);
        let (mut rounded, mut plain) = (MeshBuilder::default(), MeshBuilder::default());
        rounded.rounded_box(size, 0.15, Color::WHITE);
        plain.cuboid(Vec3::ZERO, size, Color::WHITE);
        for mesh in [rounded.build(), plain.build()] {
            assert!(faces_outward(&mesh));
            let positions = mesh
                .attribute(Mesh::ATTRIBUTE_POSITION)
                .and_then(|values| values.as_float3())
                .expect("positions");
            let reach = positions.iter().fold(Vec3::ZERO, |reach, &position| reach.max(Vec3::from(position)));
            assert!(reach.distance(size / 2.0) < 1e-5, "{reach}");
        }
    }
}
