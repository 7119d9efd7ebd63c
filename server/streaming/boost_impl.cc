// Asio and Beast, compiled once for all files of this folder (their headers are
// used with *_SEPARATE_COMPILATION).

#include "boost/asio/impl/src.hpp"
#include "boost/asio/ssl/impl/src.hpp"
#include "boost/beast/src.hpp"
