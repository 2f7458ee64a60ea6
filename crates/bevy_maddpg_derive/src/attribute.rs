use syn::{Attribute, Error, Expr, ExprRange, Field, RangeLimits, Result, Type, spanned::Spanned};

/// The attributes of a field.
#[derive(Default)]
pub(crate) struct FieldAttributes {
    /// The two ends of its range.
    pub(crate) range: Option<(Expr, Expr)>,
    /// Whether it is left out.
    pub(crate) is_skipped: bool,
}

impl FieldAttributes {
    /// Reads the attributes called `name` of a field. Only observations can be skipped.
    pub(crate) fn of(field: &Field, name: &str) -> Result<Self> {
        let mut found = Self::default();
        for attribute in field.attrs.iter().filter(|attribute| attribute.path().is_ident(name)) {
            found.read(attribute, name)?;
        }
        if found.range.is_some() && !is_f32(&field.ty) {
            return Err(Error::new(field.ty.span(), "only a field of type `f32` can have a range"));
        }
        Ok(found)
    }

    fn read(&mut self, attribute: &Attribute, name: &str) -> Result<()> {
        attribute.parse_nested_meta(|meta| {
            if meta.path.is_ident("range") {
                let range: ExprRange = meta.value()?.parse()?;
                match (range.start, range.limits, range.end) {
                    (Some(start), RangeLimits::Closed(_), Some(end)) => self.range = Some((*start, *end)),
                    _ => return Err(meta.error("expected a range with two ends, such as `0.0..=90.0`")),
                }
                Ok(())
            } else if meta.path.is_ident("skip") && name == "observation" {
                self.is_skipped = true;
                Ok(())
            } else if name == "observation" {
                Err(meta.error("unknown key, expected `range` or `skip`"))
            } else {
                Err(meta.error("unknown key, expected `range`"))
            }
        })
    }
}

fn is_f32(found: &Type) -> bool {
    matches!(found, Type::Path(path) if path.path.is_ident("f32"))
}
