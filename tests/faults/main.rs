//! What users see while machines of a cluster die, freeze, lose their links or their disks.
