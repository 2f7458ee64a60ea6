use std::ptr::from_mut;

use candle_core::{
    CudaDevice, Result,
    cuda::{
        WrapErr,
        cudarc::driver::{result, sys::CUmemPool_attribute::CU_MEMPOOL_ATTR_RELEASE_THRESHOLD},
    },
};

/// Removes two costs of small operations; for a device of one stream and without tensors yet.
pub(super) fn reduce_costs(device: &CudaDevice) -> Result<()> {
    #[expect(unsafe_code, reason = "without event tracking, candle no longer orders several streams")]
    // SAFETY: all tensors of the device are used on its one stream, which orders them.
    unsafe {
        // Else each allocation makes two events.
        device.disable_event_tracking();
    }
    let stream = device.cuda_stream();
    let context = stream.context();
    if !context.has_async_alloc() {
        return Ok(());
    }
    // Else freed memory goes back to the system whenever a number is read from the device.
    let mut kept_bytes = u64::MAX;
    #[expect(unsafe_code, reason = "calls of the driver's C interface")]
    // SAFETY: the device is an open context's; its default pool lives as long as the device; the attribute is a u64.
    unsafe {
        let pool = result::device::get_default_mem_pool(context.cu_device()).w()?;
        let threshold = from_mut(&mut kept_bytes).cast();
        result::mem_pool::set_attribute(pool, CU_MEMPOOL_ATTR_RELEASE_THRESHOLD, threshold).w()
    }
}
