//! Units of the service manager.
