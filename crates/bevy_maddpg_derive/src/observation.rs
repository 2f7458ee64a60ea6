use proc_macro2::TokenStream;
use quote::quote;
use syn::{Data, DataEnum, DeriveInput, Error, Fields, Result};

use crate::fields::{NamedField, check_generics, check_ranges, named, pattern, snake_case};

pub(crate) fn derive(input: &DeriveInput) -> Result<TokenStream> {
    check_generics(input, "AgentObservation")?;
    match &input.data {
        Data::Struct(data) => of_struct(input, &data.fields),
        Data::Enum(data) => of_enum(input, data),
        Data::Union(_) => {
            Err(Error::new_spanned(&input.ident, "an observation is a struct or an enum, not a union"))
        }
    }
}

fn of_struct(input: &DeriveInput, fields: &Fields) -> Result<TokenStream> {
    let all = named(fields, "observation")?;
    let seen: Vec<_> = all.iter().filter(|field| !field.attributes.is_skipped).collect();
    if seen.is_empty() {
        return Err(Error::new_spanned(&input.ident, "an observation needs at least one field"));
    }
    let ident = &input.ident;
    let kinds: Vec<_> = seen.iter().map(|field| &field.kind).collect();
    let names = seen.iter().map(|NamedField { name, kind, .. }| {
        quote!(<#kind as ::bevy_maddpg::typed::AgentObservation>::names(
            &::bevy_maddpg::typed::join(name, #name), out,
        );)
    });
    let write = seen.iter().map(|NamedField { variable, kind, attributes, .. }| match &attributes.range {
        Some((from, to)) => quote!(out.push(::bevy_maddpg::typed::from_range(*#variable, #from, #to));),
        None => quote!(<#kind as ::bevy_maddpg::typed::AgentObservation>::write(#variable, out);),
    });
    let bound = pattern(quote!(Self), &all);
    let ranges = check_ranges(&all);
    Ok(quote! {
        #(#ranges)*

        #[automatically_derived]
        impl ::bevy_maddpg::typed::AgentObservation for #ident {
            const SIZE: usize = 0 #(+ <#kinds as ::bevy_maddpg::typed::AgentObservation>::SIZE)*;

            fn names(name: &str, out: &mut ::std::vec::Vec<::std::string::String>) {
                #(#names)*
            }

            fn write(&self, out: &mut ::std::vec::Vec<f32>) {
                let #bound = self;
                #(#write)*
            }
        }
    })
}

fn of_enum(input: &DeriveInput, data: &DataEnum) -> Result<TokenStream> {
    if data.variants.is_empty() {
        return Err(Error::new_spanned(&input.ident, "an observation needs at least one variant"));
    }
    if let Some(variant) = data.variants.iter().find(|variant| !variant.fields.is_empty()) {
        let text =
            "the variants of an observed enum have no fields; observe what they hold in a struct beside it";
        return Err(Error::new_spanned(variant, text));
    }
    let ident = &input.ident;
    let count = data.variants.len();
    let names = data.variants.iter().map(|variant| snake_case(&variant.ident.to_string()));
    let places = data.variants.iter().enumerate().map(|(index, variant)| {
        let variant = &variant.ident;
        quote!(Self::#variant => #index)
    });
    Ok(quote! {
        #[automatically_derived]
        impl ::bevy_maddpg::typed::AgentObservation for #ident {
            const SIZE: usize = #count;

            fn names(name: &str, out: &mut ::std::vec::Vec<::std::string::String>) {
                out.extend([#(#names),*].map(|variant| ::bevy_maddpg::typed::join(name, variant)));
            }

            fn write(&self, out: &mut ::std::vec::Vec<f32>) {
                let place = match self {
                    #(#places,)*
                };
                out.extend((0..#count).map(|other| if other == place { 1.0f32 } else { 0.0 }));
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use syn::parse_quote;

    fn error(input: DeriveInput) -> String {
        derive(&input).unwrap_err().to_string()
    }

    #[test]
    fn what_is_derived_is_rust() {
        for input in [
            parse_quote!(
                enum Mood {
                    Calm,
                    Angry,
                }
            ),
            parse_quote!(
                struct View(f32, #[observation(skip)] String, #[observation(range = 0.0..=LIMIT)] f32);
            ),
        ] {
            let derived = derive(&input).expect("an observation");
            syn::parse2::<syn::File>(derived).expect("items");
        }
    }

    #[test]
    fn what_cannot_be_an_observation_is_refused_with_a_reason() {
        assert!(
            error(parse_quote!(
                enum Empty {}
            ))
            .contains("at least one variant")
        );
        assert!(
            error(parse_quote!(
                struct Wide<T> {
                    value: T,
                }
            ))
            .contains("parameters")
        );
        assert!(error(parse_quote!(union Both { a: f32, b: f32 })).contains("not a union"));
        assert!(
            error(parse_quote!(
                struct Nothing;
            ))
            .contains("at least one field")
        );
        assert!(
            error(parse_quote!(
                struct Hidden {
                    #[observation(skip)]
                    a: f32,
                }
            ))
            .contains("at least one field")
        );
        assert!(
            error(parse_quote!(
                enum State {
                    Idle,
                    Hurt(f32),
                }
            ))
            .contains("have no fields")
        );
        let misspelt = error(parse_quote!(
            struct View {
                #[observation(skp)]
                a: f32,
            }
        ));
        assert!(misspelt.contains("expected `range` or `skip`"), "{misspelt}");
    }
}
