//! Settings that change while a sign-in, an import or a request is on its way.
