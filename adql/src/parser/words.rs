//! The words of ADQL 2.1: which are reserved (grammar, `<keyword>`), and which of them build the
//! syntax that this crate evaluates.

/// The words that no regular identifier may be (ADQL 2.1, sections 2.1.3 and 2.1.4), sorted.
const RESERVED: &[&str] = &[
    "ABS",
    "ABSOLUTE",
    "ACOS",
    "ACTION",
    "ADD",
    "ALL",
    "ALLOCATE",
    "ALTER",
    "AND",
    "ANY",
    "ARE",
    "AREA",
    "AS",
    "ASC",
    "ASIN",
    "ASSERTION",
    "AT",
    "ATAN",
    "ATAN2",
    "AUTHORIZATION",
    "AVG",
    "BEGIN",
    "BETWEEN",
    "BIGINT",
    "BIT",
    "BIT_LENGTH",
    "BOTH",
    "BOX",
    "BY",
    "CASCADE",
    "CASCADED",
    "CASE",
    "CAST",
    "CATALOG",
    "CEILING",
    "CENTROID",
    "CHAR",
    "CHARACTER",
    "CHARACTER_LENGTH",
    "CHAR_LENGTH",
    "CHECK",
    "CIRCLE",
    "CLOSE",
    "COALESCE",
    "COLLATE",
    "COLLATION",
    "COLUMN",
    "COMMIT",
    "CONNECT",
    "CONNECTION",
    "CONSTRAINT",
    "CONSTRAINTS",
    "CONTAINS",
    "CONTINUE",
    "CONVERT",
    "COORD1",
    "COORD2",
    "COORDSYS",
    "CORRESPONDING",
    "COS",
    "COT",
    "COUNT",
    "CREATE",
    "CROSS",
    "CURRENT",
    "CURRENT_DATE",
    "CURRENT_TIME",
    "CURRENT_TIMESTAMP",
    "CURRENT_USER",
    "CURSOR",
    "DATE",
    "DAY",
    "DEALLOCATE",
    "DECIMAL",
    "DECLARE",
    "DEFAULT",
    "DEFERRABLE",
    "DEFERRED",
    "DEGREES",
    "DELETE",
    "DESC",
    "DESCRIBE",
    "DESCRIPTOR",
    "DIAGNOSTICS",
    "DISCONNECT",
    "DISTANCE",
    "DISTINCT",
    "DOMAIN",
    "DOUBLE",
    "DROP",
    "ELSE",
    "END",
    "ESCAPE",
    "EXCEPT",
    "EXCEPTION",
    "EXEC",
    "EXECUTE",
    "EXISTS",
    "EXP",
    "EXTERNAL",
    "EXTRACT",
    "FALSE",
    "FETCH",
    "FIRST",
    "FLOAT",
    "FLOOR",
    "FOR",
    "FOREIGN",
    "FOUND",
    "FROM",
    "FULL",
    "GET",
    "GLOBAL",
    "GO",
    "GOTO",
    "GRANT",
    "GROUP",
    "HAVING",
    "HOUR",
    "IDENTITY",
    "ILIKE",
    "IMMEDIATE",
    "IN",
    "INDICATOR",
    "INITIALLY",
    "INNER",
    "INPUT",
    "INSENSITIVE",
    "INSERT",
    "INT",
    "INTEGER",
    "INTERSECT",
    "INTERSECTS",
    "INTERVAL",
    "INTO",
    "IN_UNIT",
    "IS",
    "ISOLATION",
    "JOIN",
    "KEY",
    "LANGUAGE",
    "LAST",
    "LEADING",
    "LEFT",
    "LEVEL",
    "LIKE",
    "LOCAL",
    "LOG",
    "LOG10",
    "LOWER",
    "MATCH",
    "MAX",
    "MIN",
    "MINUTE",
    "MOD",
    "MODULE",
    "MONTH",
    "NAMES",
    "NATIONAL",
    "NATURAL",
    "NCHAR",
    "NEXT",
    "NO",
    "NOT",
    "NULL",
    "NULLIF",
    "NUMERIC",
    "OCTET_LENGTH",
    "OF",
    "OFFSET",
    "ON",
    "ONLY",
    "OPEN",
    "OPTION",
    "OR",
    "ORDER",
    "OUTER",
    "OUTPUT",
    "OVERLAPS",
    "PAD",
    "PARTIAL",
    "PI",
    "POINT",
    "POLYGON",
    "POSITION",
    "POWER",
    "PRECISION",
    "PREPARE",
    "PRESERVE",
    "PRIMARY",
    "PRIOR",
    "PRIVILEGES",
    "PROCEDURE",
    "PUBLIC",
    "RADIANS",
    "RAND",
    "READ",
    "REAL",
    "REFERENCES",
    "REGION",
    "RELATIVE",
    "RESTRICT",
    "REVOKE",
    "RIGHT",
    "ROLLBACK",
    "ROUND",
    "ROWS",
    "SCHEMA",
    "SCROLL",
    "SECOND",
    "SECTION",
    "SELECT",
    "SESSION",
    "SESSION_USER",
    "SET",
    "SIN",
    "SIZE",
    "SMALLINT",
    "SOME",
    "SPACE",
    "SQL",
    "SQLCODE",
    "SQLERROR",
    "SQLSTATE",
    "SQRT",
    "SUBSTRING",
    "SUM",
    "SYSTEM_USER",
    "TABLE",
    "TAN",
    "TEMPORARY",
    "THEN",
    "TIME",
    "TIMESTAMP",
    "TIMEZONE_HOUR",
    "TIMEZONE_MINUTE",
    "TO",
    "TOP",
    "TRAILING",
    "TRANSACTION",
    "TRANSLATE",
    "TRANSLATION",
    "TRIM",
    "TRUE",
    "TRUNCATE",
    "UNION",
    "UNIQUE",
    "UNKNOWN",
    "UPDATE",
    "UPPER",
    "USAGE",
    "USER",
    "USING",
    "VALUE",
    "VALUES",
    "VARCHAR",
    "VARYING",
    "VIEW",
    "WHEN",
    "WHENEVER",
    "WHERE",
    "WITH",
    "WORK",
    "WRITE",
    "YEAR",
    "ZONE",
];

/// The reserved words that the parser has to see as keywords. All others are names of functions or
/// errors, so that no construct of another SQL can be written.
const STRUCTURE: &[&str] = &[
    "ALL",
    "AND",
    "AS",
    "ASC",
    "BETWEEN",
    "BY",
    "CASE",
    "CAST",
    "CROSS",
    "DESC",
    "DISTINCT",
    "ELSE",
    "END",
    "EXCEPT",
    "EXISTS",
    "FALSE",
    "FROM",
    "FULL",
    "GROUP",
    "HAVING",
    "ILIKE",
    "IN",
    "INNER",
    "INTERSECT",
    "IS",
    "JOIN",
    "LEFT",
    "LIKE",
    "NATURAL",
    "NOT",
    "NULL",
    "OFFSET",
    "ON",
    "OR",
    "ORDER",
    "OUTER",
    "RIGHT",
    "SELECT",
    "THEN",
    "TOP",
    "TRUE",
    "UNION",
    "USING",
    "WHEN",
    "WHERE",
    "WITH",
];

/// The names of types after `AS` in a CAST (ADQL 2.1, section 4.7.1) that are words of SQL.
const TYPES: &[&str] =
    &["BIGINT", "CHAR", "DOUBLE", "INTEGER", "REAL", "SMALLINT", "TIMESTAMP", "VARCHAR"];

/// What to write for a type that CAST does not know.
pub(crate) fn type_advice(name: &str) -> &'static str {
    match name.to_ascii_uppercase().as_str() {
        "TEXT" | "STRING" | "CLOB" | "NVARCHAR" | "VARCHAR2" | "CHARACTER" => "VARCHAR",
        "INT" | "INT4" | "INT32" | "MEDIUMINT" => "INTEGER",
        "INT2" | "INT16" | "TINYINT" | "SHORT" => "SMALLINT",
        "INT8" | "INT64" | "LONG" => "BIGINT",
        "FLOAT4" | "FLOAT32" => "REAL",
        "FLOAT" | "FLOAT8" | "FLOAT64" | "DOUBLE" | "NUMERIC" | "DECIMAL" | "NUMBER" => {
            "DOUBLE PRECISION"
        }
        "DATE" | "TIME" | "DATETIME" => "TIMESTAMP",
        _ => {
            "one of SMALLINT, INTEGER, BIGINT, REAL, DOUBLE PRECISION, CHAR, VARCHAR, TIMESTAMP, \
             POINT, CIRCLE, POLYGON"
        }
    }
}

fn holds(list: &[&str], word: &str) -> bool {
    list.binary_search_by(|entry| {
        entry.bytes().cmp(word.bytes().map(|byte| byte.to_ascii_uppercase()))
    })
    .is_ok()
}

/// Whether a word is reserved, in any case.
pub(crate) fn is_reserved(word: &str) -> bool {
    holds(RESERVED, word)
}

/// Whether a word builds the syntax.
pub(super) fn is_structure(word: &str) -> bool {
    holds(STRUCTURE, word)
}

/// Whether a word names a type in a CAST.
pub(super) fn is_type(word: &str) -> bool {
    holds(TYPES, word)
}

/// Whether a text is a regular identifier (ADQL 2.1, section 2.1.5): a Latin letter, then Latin
/// letters, digits and underscores.
pub fn is_regular(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_alphabetic())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_sorted() {
        for list in [RESERVED, STRUCTURE, TYPES] {
            assert!(list.is_sorted());
        }
    }

    #[test]
    fn words_are_found_in_any_case() {
        for word in ["select", "In_Unit", "ZONE", "abs", "Bigint"] {
            assert!(is_reserved(word), "{word}");
        }
        for word in ["ra", "selects", "", "limit", "healpix", "long"] {
            assert!(!is_reserved(word), "{word}");
        }
    }

    #[test]
    fn regular_identifiers() {
        for text in ["a", "Z9_", "ra_2000"] {
            assert!(is_regular(text), "{text}");
        }
        for text in ["", "_a", "9a", "a b", "dé"] {
            assert!(!is_regular(text), "{text}");
        }
    }
}
