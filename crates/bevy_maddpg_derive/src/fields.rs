use proc_macro2::{Ident, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::{DeriveInput, Error, Fields, Member, Result, Type, spanned::Spanned};

use crate::attribute::FieldAttributes;

/// One field of a struct or a variant.
pub(crate) struct NamedField {
    /// How code refers to it.
    pub(crate) member: Member,
    /// Its name for people: the identifier, or the index of a field without one.
    pub(crate) name: String,
    /// A variable that holds it.
    pub(crate) variable: Ident,
    pub(crate) kind: Type,
    pub(crate) attributes: FieldAttributes,
}

/// The fields with their attributes called `attribute`.
pub(crate) fn named(fields: &Fields, attribute: &str) -> Result<Vec<NamedField>> {
    let named = fields.iter().zip(fields.members()).enumerate().map(|(index, (field, member))| {
        let name = match &member {
            Member::Named(name) => name.to_string().trim_start_matches("r#").to_owned(),
            Member::Unnamed(index) => index.index.to_string(),
        };
        Ok(NamedField {
            member,
            name,
            variable: format_ident!("field_{index}"),
            kind: field.ty.clone(),
            attributes: FieldAttributes::of(field, attribute)?,
        })
    });
    named.collect()
}

/// A value of the struct or variant `path` whose fields are in their variables.
pub(crate) fn build(path: TokenStream, fields: &[NamedField]) -> TokenStream {
    let fields = fields.iter().map(|NamedField { member, variable, .. }| quote!(#member: #variable));
    quote!(#path { #(#fields),* })
}

/// A pattern that binds the fields of the struct or variant `path` to their variables. Fields that are skipped are not bound.
pub(crate) fn pattern(path: TokenStream, fields: &[NamedField]) -> TokenStream {
    let bound = fields.iter().filter(|field| !field.attributes.is_skipped);
    let bound = bound.map(|NamedField { member, variable, .. }| quote!(#member: #variable));
    quote!(#path { #(#bound,)* .. })
}

/// Items that do not compile if the range of a field is empty.
pub(crate) fn check_ranges(fields: &[NamedField]) -> impl Iterator<Item = TokenStream> {
    fields.iter().filter_map(|field| field.attributes.range.as_ref()).map(|(from, to)| {
        quote_spanned! {from.span()=>
            const _: () = {
                const FROM: f32 = #from;
                const TO: f32 = #to;
                ::core::assert!(FROM < TO, "a range starts with its smaller number, such as `0.0..=90.0`");
            };
        }
    })
}

/// A name in snake_case.
pub(crate) fn snake_case(name: &str) -> String {
    let mut snake = String::new();
    let letters: Vec<char> = name.trim_start_matches("r#").chars().collect();
    for (index, letter) in letters.iter().enumerate() {
        let follows_lower = index > 0 && !letters[index - 1].is_uppercase() && letters[index - 1] != '_';
        let precedes_lower = index > 0 && letters.get(index + 1).is_some_and(|next| next.is_lowercase());
        if letter.is_uppercase() && (follows_lower || precedes_lower) {
            snake.push('_');
        }
        snake.extend(letter.to_lowercase());
    }
    snake
}

/// Refuses types with parameters.
pub(crate) fn check_generics(input: &DeriveInput, derive: &str) -> Result<()> {
    if input.generics.params.is_empty() {
        return Ok(());
    }
    let text = format!("`{derive}` cannot be derived for a type with parameters; use a type without them");
    Err(Error::new_spanned(&input.generics, text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_written_in_snake_case() {
        for (name, snake) in [
            ("Up", "up"),
            ("TurnLeft", "turn_left"),
            ("HTTPServer", "http_server"),
            ("A1", "a1"),
            ("r#Move", "move"),
        ] {
            assert_eq!(snake_case(name), snake);
        }
    }
}
