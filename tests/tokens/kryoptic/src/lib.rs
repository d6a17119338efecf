//! kryoptic as a PKCS#11 library: its crate exports no symbol, and this is the one that is needed.
use kryoptic_lib::{fns::general::fn_get_function_list, pkcs11::*};

#[no_mangle]
pub extern "C" fn C_GetFunctionList(list: CK_FUNCTION_LIST_PTR_PTR) -> CK_RV {
    fn_get_function_list(list)
}
