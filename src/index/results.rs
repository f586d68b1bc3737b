//! Results of testing a file, as devpi's client reports them.
