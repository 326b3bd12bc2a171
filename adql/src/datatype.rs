//! Which VOTable type the values of an Arrow type have (VOTable 1.4 §2.1 and §2.2, DALI 1.1 §3.3).
//!
//! VOTable has no unsigned types beyond a byte, no decimals and no dates, so that these are widened
//! or spelled out; nothing is ever cut, and every Arrow type has a VOTable type.

use datafusion::arrow::datatypes::{DataType, Field, TimeUnit};

/// The primitive types of VOTable that leave this service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `boolean`.
    Boolean,
    /// `unsignedByte`.
    UnsignedByte,
    /// `short`.
    Short,
    /// `int`.
    Int,
    /// `long`.
    Long,
    /// `float`.
    Float,
    /// `double`.
    Double,
    /// `char`: text that is ASCII by its definition.
    Char,
    /// `unicodeChar`: any text. Until VOTable 1.6 a `char` is ASCII, and clients hold to it
    /// (astropy refuses other bytes in BINARY2).
    UnicodeChar,
}

impl Kind {
    /// The value of the attribute `datatype`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Boolean => "boolean",
            Self::UnsignedByte => "unsignedByte",
            Self::Short => "short",
            Self::Int => "int",
            Self::Long => "long",
            Self::Float => "float",
            Self::Double => "double",
            Self::Char => "char",
            Self::UnicodeChar => "unicodeChar",
        }
    }

    /// Bytes of one element in BINARY2.
    pub fn width(self) -> usize {
        match self {
            Self::Boolean | Self::UnsignedByte | Self::Char => 1,
            Self::Short | Self::UnicodeChar => 2,
            Self::Int | Self::Float => 4,
            Self::Long | Self::Double => 8,
        }
    }

    /// Whether values are numbers.
    pub fn is_number(self) -> bool {
        !matches!(self, Self::Boolean | Self::Char | Self::UnicodeChar)
    }

    /// The integer that stands for a missing value, where a cell cannot be empty.
    pub fn null_element(self) -> Option<i64> {
        match self {
            Self::Short => Some(i64::from(i16::MIN)),
            Self::Int => Some(i64::from(i32::MIN)),
            Self::Long => Some(i64::MIN),
            Self::Boolean
            | Self::UnsignedByte
            | Self::Float
            | Self::Double
            | Self::Char
            | Self::UnicodeChar => None,
        }
    }

    /// The Arrow type of the elements.
    pub fn arrow(self) -> DataType {
        match self {
            Self::Boolean => DataType::Boolean,
            Self::UnsignedByte => DataType::UInt8,
            Self::Short => DataType::Int16,
            Self::Int => DataType::Int32,
            Self::Long => DataType::Int64,
            Self::Float => DataType::Float32,
            Self::Double => DataType::Float64,
            Self::Char | Self::UnicodeChar => DataType::Utf8View,
        }
    }
}

/// How the text of a cell comes about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// By Arrow's cast to the type of the kind.
    Cast,
    /// Days since 1970, as a date.
    Date,
    /// A time of the day.
    Time(TimeUnit),
    /// A moment; with a time zone it is civil time and ends in `Z`.
    Timestamp {
        /// Unit of the count since 1970.
        unit: TimeUnit,
        /// Whether the column has a time zone.
        civil: bool,
    },
    /// By Arrow's display of structured values.
    Display,
}

/// The VOTable type of a column, and how its cells are made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CellType {
    /// Type of the elements.
    pub kind: Kind,
    /// Fixed dimensions, the fastest first; empty for scalars, lists and text.
    pub dimensions: Vec<usize>,
    /// Whether it is a list or text of any length (`*`).
    pub variable: bool,
    /// Whether a missing integer is written as [`Kind::null_element`]: one of an array, or the cell
    /// itself where the serialization has no other way.
    pub null_elements: bool,
    /// The xtype that the Arrow type itself implies.
    pub xtype: Option<&'static str>,
    /// How the text of its cells comes about.
    pub source: Source,
}

/// Text of these xtypes is ASCII by their definitions (DALI 1.1 §3.3, TAP 1.0 §2.5).
const ASCII_XTYPES: [&str; 8] =
    ["timestamp", "adql:TIMESTAMP", "adql:REGION", "adql:POINT", "hms", "dms", "moc", "uuid"];

impl CellType {
    /// The type for values of an Arrow type, in a column of this xtype.
    pub fn of(data_type: &DataType, xtype: Option<&str>) -> Self {
        match data_type {
            DataType::Dictionary(_, value) => Self::of(value, xtype),
            DataType::RunEndEncoded(_, value) => Self::of(value.data_type(), xtype),
            DataType::List(item)
            | DataType::LargeList(item)
            | DataType::ListView(item)
            | DataType::LargeListView(item) => Self::array(item, None),
            DataType::FixedSizeList(item, length) => {
                Self::array(item, Some(usize::try_from(*length).unwrap_or_default()))
            }
            DataType::Binary | DataType::LargeBinary | DataType::BinaryView => {
                Self { variable: true, ..Self::scalar(Kind::UnsignedByte) }
            }
            DataType::FixedSizeBinary(length) => Self {
                dimensions: vec![usize::try_from(*length).unwrap_or_default()],
                ..Self::scalar(Kind::UnsignedByte)
            },
            _ => match Self::number(data_type) {
                Some(kind) => Self::scalar(kind),
                None => Self::text(data_type, xtype),
            },
        }
    }

    /// The type in a serialization that has no NULL flags (BINARY), where every cell may be NULL.
    ///
    /// An integer is NULL by a value of its own, so that its type is widened until it has one that
    /// is no value of the source. There is nothing wider than a `long`: its least value cannot be
    /// written. Text, bytes and lists that are NULL are empty, as in TABLEDATA.
    pub fn without_null_flags(data_type: &DataType, xtype: Option<&str>) -> Self {
        let flagged = Self::of(data_type, xtype);
        if flagged.variable && !flagged.null_elements {
            return flagged;
        }
        let kind = match (flagged.kind, element(data_type)) {
            (Kind::UnsignedByte, _) => Kind::Short,
            (Kind::Short, DataType::Int16) => Kind::Int,
            (Kind::Int, DataType::Int32) => Kind::Long,
            (kind, _) => kind,
        };
        Self { kind, null_elements: kind.null_element().is_some(), ..flagged }
    }

    /// The same for texts that are known to be ASCII.
    #[must_use]
    pub fn of_ascii(self) -> Self {
        match (self.kind, self.source) {
            (Kind::UnicodeChar, Source::Cast) => Self { kind: Kind::Char, ..self },
            _ => self,
        }
    }

    fn scalar(kind: Kind) -> Self {
        Self {
            kind,
            dimensions: Vec::new(),
            variable: false,
            null_elements: false,
            xtype: None,
            source: Source::Cast,
        }
    }

    fn number(data_type: &DataType) -> Option<Kind> {
        match data_type {
            DataType::Boolean => Some(Kind::Boolean),
            DataType::UInt8 => Some(Kind::UnsignedByte),
            DataType::Int8 | DataType::Int16 => Some(Kind::Short),
            DataType::UInt16 | DataType::Int32 => Some(Kind::Int),
            DataType::UInt32 | DataType::Int64 => Some(Kind::Long),
            DataType::Float16 | DataType::Float32 => Some(Kind::Float),
            DataType::Float64 => Some(Kind::Double),
            DataType::Decimal32(precision, scale)
            | DataType::Decimal64(precision, scale)
            | DataType::Decimal128(precision, scale)
            | DataType::Decimal256(precision, scale) => {
                let digits = i16::from(*precision) - i16::from(*scale);
                Some(if *scale <= 0 && digits <= 18 { Kind::Long } else { Kind::Double })
            }
            _ => None,
        }
    }

    fn text(data_type: &DataType, xtype: Option<&str>) -> Self {
        let ascii = xtype.is_some_and(|x| ASCII_XTYPES.iter().any(|a| a.eq_ignore_ascii_case(x)));
        let (source, kind) = match data_type {
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View if ascii => {
                (Source::Cast, Kind::Char)
            }
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => {
                (Source::Cast, Kind::UnicodeChar)
            }
            DataType::UInt64 | DataType::Null => (Source::Cast, Kind::Char),
            DataType::Date32 | DataType::Date64 => (Source::Date, Kind::Char),
            DataType::Time32(unit) | DataType::Time64(unit) => (Source::Time(*unit), Kind::Char),
            DataType::Timestamp(unit, zone) => {
                (Source::Timestamp { unit: *unit, civil: zone.is_some() }, Kind::Char)
            }
            DataType::Duration(_) | DataType::Interval(_) => (Source::Display, Kind::Char),
            _ => (Source::Display, Kind::UnicodeChar),
        };
        let moment = matches!(source, Source::Date | Source::Timestamp { .. });
        Self { variable: true, xtype: moment.then_some("timestamp"), source, ..Self::scalar(kind) }
    }

    /// An array of numbers or booleans; arrays of anything else are shown as text.
    fn array(item: &Field, length: Option<usize>) -> Self {
        let inner = Self::of(item.data_type(), None);
        let fits = inner.source == Source::Cast
            && !inner.variable
            && !matches!(inner.kind, Kind::Char | Kind::UnicodeChar);
        if !fits {
            let text = Self::scalar(Kind::UnicodeChar);
            return Self { variable: true, source: Source::Display, ..text };
        }
        let nullable = item.is_nullable() || inner.null_elements;
        // A byte has no value to spare for a missing element.
        let kind = match inner.kind {
            Kind::UnsignedByte if nullable => Kind::Short,
            kind => kind,
        };
        // A NULL array of fixed length is written as one of missing elements.
        let null_elements = nullable || length.is_some();
        // The elements of fixed arrays in a list follow one another in one dimension: of `2x*`,
        // STIL reads the count in BINARY2 as elements and astropy as pairs.
        let dimensions = match length {
            Some(length) => [inner.dimensions, vec![length]].concat(),
            None => Vec::new(),
        };
        Self { kind, dimensions, variable: length.is_none(), null_elements, ..Self::scalar(kind) }
    }

    /// Whether a cell is one value rather than an array or text.
    pub fn is_scalar(&self) -> bool {
        self.dimensions.is_empty() && !self.variable
    }

    /// Whether a cell is text.
    pub fn is_text(&self) -> bool {
        matches!(self.kind, Kind::Char | Kind::UnicodeChar)
    }

    /// The value of the attribute `arraysize` (VOTable 1.4 §2.2); none for scalars.
    pub fn array_size(&self) -> Option<String> {
        if self.is_scalar() {
            return None;
        }
        if self.variable {
            return Some("*".to_owned());
        }
        let sizes: Vec<String> = self.dimensions.iter().map(ToString::to_string).collect();
        Some(sizes.join("x"))
    }
}

/// The type of the innermost elements.
fn element(data_type: &DataType) -> &DataType {
    match data_type {
        DataType::Dictionary(_, value) => element(value),
        DataType::RunEndEncoded(_, item)
        | DataType::List(item)
        | DataType::LargeList(item)
        | DataType::ListView(item)
        | DataType::LargeListView(item)
        | DataType::FixedSizeList(item, _) => element(item.data_type()),
        _ => data_type,
    }
}
