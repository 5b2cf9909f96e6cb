"""KFP components: each body calls one function of the library, nothing more."""
