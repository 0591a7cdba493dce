/* Prints your images as Imgur lists them. Gets the token over D-Bus with GLib, and calls Imgur with curl.
   cc -o images images.c $(pkg-config --cflags --libs gio-2.0) */
#include <gio/gio.h>
#include <stdlib.h>
#include <string.h>

static char *call(const char *method, GVariant *arguments, GError **error) {
    g_autoptr(GDBusConnection) bus = g_bus_get_sync(G_BUS_TYPE_SESSION, NULL, error);
    g_autoptr(GVariant) answer = bus == NULL ? NULL : g_dbus_connection_call_sync(
        bus, "org.imgurd.Keeper1", "/org/imgurd/Keeper1", "org.imgurd.Keeper1", method, arguments,
        G_VARIANT_TYPE("(ssx)"), G_DBUS_CALL_FLAGS_NONE, -1, NULL, error);
    char *token = NULL;
    if (answer != NULL) g_variant_get(answer, "(ssx)", &token, NULL, NULL);
    return token;
}

/* Returns the status, or 0 after an error. The token goes to standard input, because every user can read arguments. */
static int fetch(const char *url, const char *token, char **answer, GError **error) {
    g_autoptr(GSubprocess) curl = g_subprocess_new(
        G_SUBPROCESS_FLAGS_STDIN_PIPE | G_SUBPROCESS_FLAGS_STDOUT_PIPE, error,
        "curl", "-sS", "-w", "\n%{http_code}", "-H", "@-", url, NULL);
    g_autofree char *header = g_strdup_printf("Authorization: Bearer %s\n", token);
    g_clear_pointer(answer, g_free);
    if (curl == NULL || !g_subprocess_communicate_utf8(curl, header, NULL, answer, NULL, error)) return 0;
    char *status = strrchr(*answer, '\n');
    if (status == NULL) return 0;
    *status = '\0';
    return atoi(status + 1);
}

static const char *explain(const char *name) {
    if (g_str_has_suffix(name, ".ConsentNeeded")) return "Sign in";
    if (g_str_has_suffix(name, ".AccessDenied")) return "Not allowed";
    if (g_str_has_suffix(name, ".TemporarilyUnavailable")) return "Try again later";
    return "No token";
}

int main(int count, char **arguments) {
    const char *api = count > 1 ? arguments[1] : "https://api.imgur.com/3";
    g_autofree char *url = g_strconcat(api, "/account/me/images", NULL), *answer = NULL, *another = NULL;
    g_autoptr(GError) error = NULL;
    g_autofree char *token = call("GetToken", g_variant_new("(sii)", "", -1, -1), &error);
    int status = token == NULL ? 0 : fetch(url, token, &answer, &error);
    /* A token can become invalid early, and only the program that uses it notices. Imgur's 403 has many other causes. */
    if (status == 401 || (status == 403 && strstr(answer, "access token") != NULL)) {
        another = call("RejectToken", g_variant_new("(ssi)", "", token, -1), &error);
        status = another == NULL ? 0 : fetch(url, another, &answer, &error);
    }
    if (error != NULL) {
        g_autofree char *name = g_dbus_error_get_remote_error(error);
        g_dbus_error_strip_remote_error(error);
        g_printerr("%s: %s\n", explain(name == NULL ? "" : name), error->message);
    } else if (status != 200) {
        g_printerr("Imgur answers %d\n", status);
    } else {
        g_print("%s\n", answer);
    }
    return status != 200;
}
