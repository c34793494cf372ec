/* An NSS module (nsswitch.conf(5)) that knows one name. getaddrinfo(3) needs no other function from it. */
#include <errno.h>
#include <netdb.h>
#include <nss.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

enum nss_status _nss_selfheal_gethostbyname2_r(const char *name, int family, struct hostent *host, char *memory, size_t size,
                                               int *error, int *host_error) {
    static const unsigned char loopback[4] = {127, 0, 0, 1};
    struct { char *addresses[2], *aliases[1], address[4], name[64]; } *answer = (void *)memory;
    if (family != AF_INET || strcasecmp(name, "by-the-module.example") != 0) {
        *host_error = HOST_NOT_FOUND;
        return NSS_STATUS_NOTFOUND;
    }
    if (size < sizeof *answer) {
        *error = ERANGE;
        *host_error = NETDB_INTERNAL;
        return NSS_STATUS_TRYAGAIN;
    }
    memcpy(answer->address, loopback, sizeof loopback);
    strcpy(answer->name, "by-the-module.example");
    answer->addresses[0] = answer->address;
    answer->addresses[1] = answer->aliases[0] = NULL;
    *host = (struct hostent){answer->name, answer->aliases, AF_INET, sizeof loopback, answer->addresses};
    return NSS_STATUS_SUCCESS;
}
