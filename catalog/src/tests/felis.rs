//! Felis as Rubin writes it: what it says is taken, and what is wrong in it is named with its place.

use std::fs;
use std::path::Path;

use datafusion::arrow::datatypes::{DataType, Field, Schema};

use crate::metadata::felis::{Felis, FelisType};

fn survey() -> Felis {
    Felis::read(Path::new("src/tests/felis/survey.yaml")).unwrap()
}

#[test]
fn tables_columns_and_keys_are_taken() {
    let table = survey().table(None, "object", "dp").unwrap();
    let said = &table.metadata;
    assert_eq!(said.description.as_deref(), Some("Stars and galaxies"));
    assert_eq!((said.index, said.utype.as_deref()), (Some(10), Some("model:Object")));
    let id = &said.columns["objectId"];
    assert_eq!(id.description.as_deref(), Some("Unique identifier of an object"));
    assert_eq!((id.principal, id.index), (Some(true), Some(20)));
    assert_eq!(said.columns["coord_ra"].unit.as_deref(), Some("deg"));
    assert_eq!(said.columns["coord_dec"].unit.as_deref(), Some("deg"));
    assert_eq!(
        (said.columns["band"].principal, said.columns["band"].std),
        (Some(false), Some(true))
    );
    let flux = &said.columns["flux"];
    assert_eq!(flux.utype.as_deref(), Some("model:Object.flux"));
    assert_eq!(flux.xtype.as_deref(), Some("interval"));
    assert_eq!(table.columns[5], ("field".to_owned(), FelisType::Long));
    let [key] = said.keys.as_slice() else { panic!("{:?}", said.keys) };
    assert_eq!(key.target, "dp.Field");
    assert_eq!(
        key.columns.iter().collect::<Vec<_>>(),
        [(&"field".to_owned(), &"fieldId".to_owned())]
    );
    assert_eq!(key.description.as_deref(), Some("the field of the object"));
}

#[test]
fn columns_of_other_files_are_taken() {
    let table = survey().table(Some("Field"), "x", "dp").unwrap();
    let names: Vec<&str> = table.columns.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["depth", "fieldId", "name"]);
    let id = &table.metadata.columns["fieldId"];
    assert_eq!(id.description.as_deref(), Some("number of the field"));
    assert_eq!(id.ucd.as_deref(), Some("meta.id"));
}

#[test]
fn what_does_not_fit_the_files_is_told() {
    let mut table = survey().table(None, "Object", "dp").unwrap();
    let fields = [
        Field::new("objectId", DataType::Int64, false),
        Field::new("band", DataType::Utf8, true),
        Field::new("flux", DataType::Float64, true),
    ];
    let remarks = table.fit(&Schema::new(fields.to_vec()));
    assert_eq!(remarks[0], "Felis says that flux is float; it is Float64");
    assert_eq!(
        remarks[1],
        "Felis describes 3 columns that are not here: coord_ra, coord_dec, field"
    );
    assert!(table.metadata.keys.is_empty() && !table.metadata.columns.contains_key("coord_ra"));
}

#[test]
fn what_is_wrong_is_named_with_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("wrong.yaml");
    let column =
        |rest: &str| format!("name: s\ntables:\n- name: T\n  columns:\n  - name: a\n{rest}");
    let cases = [
        (
            column("    datatype: quaternion\n"),
            "wrong.yaml: line 6, column 15: datatype quaternion of T.a is none of Felis: give one \
             of boolean, byte",
        ),
        (column("    description: x\n"), "wrong.yaml: column T.a has no datatype"),
        (column("    datatype: [\n"), "line "),
        (column("    datatype: long\n    tap:principal: yes please\n"), "line 7"),
        (
            column(
                "    datatype: long\n  constraints:\n  - '@type': ForeignKey\n    columns: ['#T.b']\n    referencedColumns: ['#T.a']\n",
            ),
            "a constraint of T: there is no #T.b",
        ),
        (
            "name: s\nresources: {x: {uri: 'https://h/x.yaml'}}\n".to_owned(),
            "the resource x (https://h/x.yaml) is not read",
        ),
        ("name: s\nresources: {x: {uri: wrong.yaml}}\n".to_owned(), "no chain of more than 4"),
        ("name: s\n".to_owned(), "it describes no tables"),
    ];
    for (text, expected) in cases {
        fs::write(&path, &text).unwrap();
        let read = Felis::read(&path).and_then(|felis| felis.table(Some("T"), "x", "s"));
        let error = read.unwrap_err().to_string();
        assert!(error.contains(expected), "{error}\nfor {text}");
    }
    // The only table is the one that is not named otherwise.
    fs::write(&path, column("    datatype: long\n")).unwrap();
    let only = Felis::read(&path).unwrap();
    assert!(only.table(None, "x", "s").is_ok() && only.table(Some("x"), "T", "s").is_err());
    let error = Felis::read(&folder.path().join("absent.yaml")).unwrap_err().to_string();
    assert!(error.contains("absent.yaml: the Felis file cannot be read"), "{error}");
}
