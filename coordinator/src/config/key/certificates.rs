//! Settings by which nodes know each other.

use super::{HOSTS, Key};
use crate::config::Command::{Certificates, Coordinator, Worker};

pub(super) const KEYS: &[Key] = &[
    Key {
        name: "tls_ca",
        flag: "tls-ca",
        value: "FILE",
        default: "",
        defaults: &[],
        help: "certificate of the authority that all nodes of the cluster trust",
        wanted: "a PEM file",
        commands: &[Coordinator, Worker],
    },
    Key {
        name: "tls_certificate",
        flag: "tls-certificate",
        value: "FILE",
        default: "",
        defaults: &[],
        help: "certificate of this node, as armilla certificates makes it",
        wanted: "a PEM file",
        commands: &[Coordinator, Worker],
    },
    Key {
        name: "tls_key",
        flag: "tls-key",
        value: "FILE",
        default: "",
        defaults: &[],
        help: "private key of this node",
        wanted: "a PEM file",
        commands: &[Coordinator, Worker],
    },
    Key {
        name: "dir",
        flag: "dir",
        value: "DIR",
        default: "",
        defaults: &[],
        help: "folder for the authority and for a folder of certificates for each host",
        wanted: "a folder",
        commands: &[Certificates],
    },
    Key {
        name: "coordinator",
        flag: "coordinator",
        value: "HOSTS",
        default: "",
        defaults: &[],
        help: "hosts of coordinators, separated by commas",
        wanted: HOSTS,
        commands: &[Certificates],
    },
    Key {
        name: "worker",
        flag: "worker",
        value: "HOSTS",
        default: "",
        defaults: &[],
        help: "hosts of workers, separated by commas, as the URLs of the workers name them",
        wanted: HOSTS,
        commands: &[Certificates],
    },
];
