use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::{Data, DataEnum, DeriveInput, Error, Fields, Result, spanned::Spanned};

use crate::fields::{NamedField, build, check_generics, check_ranges, named, pattern, snake_case};

pub(crate) fn derive(input: &DeriveInput) -> Result<TokenStream> {
    check_generics(input, "AgentAction")?;
    match &input.data {
        Data::Struct(data) => of_struct(input, &data.fields),
        Data::Enum(data) => of_enum(input, data),
        Data::Union(_) => {
            Err(Error::new_spanned(&input.ident, "an action is an enum or a struct, not a union"))
        }
    }
}

fn of_struct(input: &DeriveInput, fields: &Fields) -> Result<TokenStream> {
    let fields = named(fields, "action")?;
    if fields.is_empty() {
        return Err(Error::new_spanned(&input.ident, "an action needs at least one field"));
    }
    let kinds: Vec<_> = fields.iter().map(|field| &field.kind).collect();
    let describe = fields.iter().map(|NamedField { name, kind, .. }| {
        quote!(<#kind as ::bevy_maddpg::typed::AgentAction>::describe(
            &::bevy_maddpg::typed::join(name, #name), space,
        );)
    });
    let read = fields.iter().map(read);
    let write = fields.iter().map(write);
    let ident = &input.ident;
    let (built, bound) = (build(quote!(Self), &fields), pattern(quote!(Self), &fields));
    let ranges = check_ranges(&fields);
    Ok(quote! {
        #(#ranges)*

        #[automatically_derived]
        impl ::bevy_maddpg::typed::AgentAction for #ident {
            const NUMBERS: usize = 0 #(+ <#kinds as ::bevy_maddpg::typed::AgentAction>::NUMBERS)*;
            const BRANCHES: usize = 0 #(+ <#kinds as ::bevy_maddpg::typed::AgentAction>::BRANCHES)*;

            fn describe(name: &str, space: &mut ::bevy_maddpg::policy::ActionSpace) {
                #(#describe)*
            }

            fn read(reader: &mut ::bevy_maddpg::typed::ActionReader) -> ::core::option::Option<Self> {
                #(#read)*
                ::core::option::Option::Some(#built)
            }

            fn write(&self, writer: &mut ::bevy_maddpg::typed::ActionWriter) {
                let #bound = self;
                #(#write)*
            }
        }
    })
}

fn of_enum(input: &DeriveInput, data: &DataEnum) -> Result<TokenStream> {
    if data.variants.is_empty() {
        return Err(Error::new_spanned(&input.ident, "an action needs at least one variant to choose"));
    }
    let (ident, own_name, count) = (&input.ident, snake_case(&input.ident.to_string()), data.variants.len());
    let variants = data.variants.iter().enumerate().map(|(index, variant)| {
        let mut fields = named(&variant.fields, "action")?;
        // The variables of all variants are in one scope.
        for field in &mut fields {
            field.variable = quote::format_ident!("variant_{index}_{}", field.variable);
        }
        Ok((index, &variant.ident, snake_case(&variant.ident.to_string()), fields))
    });
    let variants: Vec<_> = variants.collect::<Result<_>>()?;
    let names = variants.iter().map(|(_, _, name, _)| name);
    let kinds: Vec<_> =
        variants.iter().flat_map(|(.., fields)| fields.iter().map(|field| &field.kind)).collect();
    let describe = variants.iter().flat_map(|(index, _, variant, fields)| {
        fields.iter().map(move |NamedField { name, kind, .. }| {
            let name = format!("{variant}.{name}");
            quote! {
                let start = space.numbers();
                <#kind as ::bevy_maddpg::typed::AgentAction>::describe(
                    &::bevy_maddpg::typed::join(name, #name), space,
                );
                space.give_numbers(start..space.numbers(), branch, #index);
            }
        })
    });
    let read_all = variants.iter().flat_map(|(.., fields)| fields.iter().map(read));
    let chosen = variants.iter().map(|(index, variant, _, fields)| {
        let built = build(quote!(Self::#variant), fields);
        quote!(#index => #built)
    });
    let write_all = variants.iter().map(|(index, variant, _, fields)| {
        let bound = pattern(quote!(Self::#variant), fields);
        let numbers = variants.iter().flat_map(|(other, .., others)| {
            others.iter().map(move |field| match other == index {
                true => write(field),
                false => {
                    let kind = &field.kind;
                    quote!(writer.zeros(<#kind as ::bevy_maddpg::typed::AgentAction>::NUMBERS);)
                }
            })
        });
        quote!(#bound => { writer.choice(#index, #count); #(#numbers)* })
    });
    let names_of = variants.iter().map(|(_, variant, name, _)| quote!(Self::#variant { .. } => #name));
    let only_numbers = kinds.iter().map(|kind| {
        quote_spanned! {kind.span()=>
            const _: () = ::core::assert!(
                <#kind as ::bevy_maddpg::typed::AgentAction>::BRANCHES == 0,
                "the fields of a variant can only be numbers, because a choice cannot depend on another one",
            );
        }
    });
    let ranges = variants.iter().flat_map(|(.., fields)| check_ranges(fields));
    Ok(quote! {
        #(#only_numbers)*
        #(#ranges)*

        #[automatically_derived]
        impl ::bevy_maddpg::typed::AgentAction for #ident {
            const NUMBERS: usize = 0 #(+ <#kinds as ::bevy_maddpg::typed::AgentAction>::NUMBERS)*;
            const BRANCHES: usize = 1;

            fn describe(name: &str, space: &mut ::bevy_maddpg::policy::ActionSpace) {
                let name = if name.is_empty() { #own_name } else { name };
                let branch = space.push_branch(name, [#(#names),*]);
                #(#describe)*
            }

            fn read(reader: &mut ::bevy_maddpg::typed::ActionReader) -> ::core::option::Option<Self> {
                let choice = reader.choice(#count);
                #(#read_all)*
                ::core::option::Option::Some(match choice? {
                    #(#chosen,)*
                    _ => return ::core::option::Option::None,
                })
            }

            fn write(&self, writer: &mut ::bevy_maddpg::typed::ActionWriter) {
                match self {
                    #(#write_all)*
                }
            }
        }

        #[automatically_derived]
        impl ::bevy_maddpg::typed::Choice for #ident {
            fn place(&self, branch: &::bevy_maddpg::policy::Branch) -> ::core::option::Option<usize> {
                let name = match self {
                    #(#names_of,)*
                };
                ::bevy_maddpg::typed::Choice::place(&name, branch)
            }
        }
    })
}

/// Reads a field into its variable.
fn read(NamedField { variable, kind, attributes, .. }: &NamedField) -> TokenStream {
    let value = quote!(<#kind as ::bevy_maddpg::typed::AgentAction>::read(reader)?);
    match &attributes.range {
        Some((from, to)) => quote!(let #variable = ::bevy_maddpg::typed::to_range(#value, #from, #to);),
        None => quote!(let #variable = #value;),
    }
}

/// Writes a field from its variable, a reference.
fn write(NamedField { variable, kind, attributes, .. }: &NamedField) -> TokenStream {
    match &attributes.range {
        Some((from, to)) => quote!(<#kind as ::bevy_maddpg::typed::AgentAction>::write(
            &::bevy_maddpg::typed::from_range(*#variable, #from, #to), writer,
        );),
        None => quote!(<#kind as ::bevy_maddpg::typed::AgentAction>::write(#variable, writer);),
    }
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
                enum Step {
                    Up,
                    Down,
                }
            ),
            parse_quote!(
                enum Spell {
                    Wait,
                    Heal(f32),
                    Fireball {
                        #[action(range = -1.0..=2.0)]
                        r#in: f32,
                    },
                }
            ),
            parse_quote!(
                struct Steer(f32, #[action(range = 0.0..=LIMIT)] f32);
            ),
            parse_quote!(
                struct Arm {
                    aim: Vec2,
                    grip: bool,
                }
            ),
        ] {
            let derived = derive(&input).expect("an action");
            syn::parse2::<syn::File>(derived).expect("items");
        }
    }

    #[test]
    fn what_cannot_be_an_action_is_refused_with_a_reason() {
        assert!(
            error(parse_quote!(
                enum Empty {}
            ))
            .contains("at least one variant")
        );
        assert!(
            error(parse_quote!(
                struct Nothing;
            ))
            .contains("at least one field")
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
        let misspelt = error(parse_quote!(
            struct Aim {
                #[action(rnage = 0.0..=1.0)]
                angle: f32,
            }
        ));
        assert!(misspelt.contains("expected `range`"), "{misspelt}");
        let foreign = error(parse_quote!(
            struct Aim {
                #[action(skip)]
                angle: f32,
            }
        ));
        assert!(foreign.contains("expected `range`"), "{foreign}");
        let half_open = error(parse_quote!(
            struct Aim {
                #[action(range = 0.0..9.0)]
                angle: f32,
            }
        ));
        assert!(half_open.contains("two ends"), "{half_open}");
        let open = error(parse_quote!(
            struct Aim {
                #[action(range = 0.0..)]
                angle: f32,
            }
        ));
        assert!(open.contains("two ends"), "{open}");
        let wrong = error(parse_quote!(
            struct Aim {
                #[action(range = 0.0..=1.0)]
                jump: bool,
            }
        ));
        assert!(wrong.contains("type `f32`"), "{wrong}");
    }
}
